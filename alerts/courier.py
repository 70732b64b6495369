"""Hands one message to Apprise: a program of its own, ended by force when it hangs.

    {"do": "send", "url": …, "title": …, "body": …}          an address as it stands
    {"do": "send", "sealed": …, "key": …, "title": …, …}     one sealed with the key
    {"do": "seal", "url": …, "key": …}                       keeps an address for later

It reads one such line and answers with one: `ok`, `error` without secrets, `sealed`.
No Django here, and no Apprise in the parts that live for weeks: some send nothing.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
ERROR_LENGTH = 300
# Shorter pieces of an address would tear holes into ordinary words.
LEAST_SECRET = 4


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    # Whatever a plug-in prints must not be taken for the answer.
    out, sys.stdout = sys.stdout, sys.stderr
    answer = seal(asked) if asked["do"] == "seal" else send(asked)
    out.write(json.dumps(answer) + "\n")


def send(asked: Mapping[str, Any]) -> dict[str, object]:
    """Send the message; says why it did not go."""
    try:
        url = asked.get("url") or _open(asked["sealed"], key=asked["key"])
    except Exception:
        return {"ok": False, "error": "sealed"}
    words = _Words()
    import apprise

    service = _instantiate(url)
    if service is None:
        return {"ok": False, "error": "address"}
    # What is too long for the service becomes several messages instead of none.
    service.overflow_mode = apprise.OverflowMode.SPLIT
    messenger = apprise.Apprise(asset=_asset())
    messenger.add(service)
    with words:
        try:
            is_sent = bool(
                messenger.notify(
                    title=asked["title"],
                    body=asked["body"],
                    body_format=apprise.NotifyFormat.TEXT,
                )
            )
        except Exception as error:
            return {"ok": False, "error": type(error).__name__}
    said = "" if is_sent else without_secrets(words.text, url=url)
    return {"ok": is_sent, "error": said}


def seal(asked: Mapping[str, Any]) -> dict[str, object]:
    """Seal an address that Apprise understands."""
    service = _instantiate(asked["url"])
    if service is None:
        return {"ok": False, "error": "address"}
    return {
        "ok": True,
        "sealed": _cipher(asked["key"]).encrypt(asked["url"].encode()).decode(),
        "service": str(service.service_name),
    }


def without_secrets(text: str, *, url: str) -> str:
    """Take every piece of the address out of a text; its service may stay."""
    _scheme, _colon, rest = url.partition("://")
    pieces = {url, rest, *re.split(r"[/:@?&=#,\s]+", rest)}
    forms = {f for p in pieces for f in (p, unquote(p), quote(p, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= LEAST_SECRET:
            text = text.replace(form, MASK)
    return " ".join(text.split())[:ERROR_LENGTH]


def _instantiate(url: str) -> Any:
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    try:
        return apprise.Apprise.instantiate(
            url, asset=_asset(), suppress_exceptions=True
        )
    except Exception:
        return None


def _asset() -> Any:
    import apprise

    # It would keep what it knows of an account in files of its own.
    return apprise.AppriseAsset(
        storage_mode=apprise.PersistentStoreMode.MEMORY, async_mode=False
    )


def _cipher(key: str) -> Any:
    from cryptography.fernet import Fernet

    return Fernet(key.encode())


def _open(sealed: str, *, key: str) -> str:
    return str(_cipher(key).decrypt(sealed.encode()).decode())


class _Words(logging.Handler):
    """What Apprise says of a failure, kept instead of printed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        return " ".join(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    def __enter__(self) -> _Words:
        log = logging.getLogger("apprise")
        log.setLevel(logging.WARNING)
        log.propagate = False
        log.addHandler(self)
        # These print addresses, tokens and all.
        for name in ("urllib3", "requests"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return self

    def __exit__(self, *_args: object) -> None:
        logging.getLogger("apprise").removeHandler(self)


if __name__ == "__main__":
    main()
