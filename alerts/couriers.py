"""Starts couriers, one for each message at the same time, and ends those that hang."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

TIME_LIMIT_S = 30.0
ROOT = Path(__file__).resolve().parent.parent
# What a program needs to run at all; no setting of ours, so no token of a peer's.
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "HOME"),
    *("LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of it; `error` is for staff and holds no secret."""

    ok: bool
    error: str = ""
    sealed: str = ""
    service: str = ""


def send_all(
    messages: Sequence[Mapping[str, str]], *, time_limit_s: float = TIME_LIMIT_S
) -> list[Answer]:
    """Send each message by a courier of its own; takes no longer than the limit.

    A message: `title`, `body`, and `url` or `sealed`.
    """
    key = sealing_key()
    asked = [{"do": "send", "key": key, **message} for message in messages]
    return _ask_all(asked, time_limit_s=time_limit_s)


def seal(url: str, *, time_limit_s: float = TIME_LIMIT_S) -> Answer:
    """Seal an address that Apprise understands; `error` tells why it cannot be used."""
    asked = {"do": "seal", "url": url, "key": sealing_key()}
    return _ask_all([asked], time_limit_s=time_limit_s)[0]


def sealing_key() -> str:
    """Derive the key of the sealed addresses from SECRET_KEY."""
    return base64.urlsafe_b64encode(_derive(b"alerts: addresses")).decode()


def fingerprint(url: str) -> str:
    """Know an address again without keeping it."""
    return _derive(b"alerts: known by " + url.encode()).hex()


def _derive(purpose: bytes) -> bytes:
    return hmac.new(settings.SECRET_KEY.encode(), purpose, hashlib.sha256).digest()


def _ask_all(
    asked: Iterable[Mapping[str, Any]], *, time_limit_s: float
) -> list[Answer]:
    until = time.monotonic() + time_limit_s
    couriers = [_start(one) for one in asked]
    return [_answer_of(courier, until=until) for courier in couriers]


def _start(asked: Mapping[str, Any]) -> subprocess.Popen[str]:
    courier = subprocess.Popen(
        [sys.executable, "-m", "alerts.courier"],
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    # By its input: what stands in a command line, everybody on the host can read.
    try:
        courier.stdin.write(json.dumps(asked) + "\n")  # type: ignore[union-attr]
        courier.stdin.flush()  # type: ignore[union-attr]
    except OSError:
        # It ended at once; its answer, or its absence, tells.
        pass
    return courier


def _answer_of(courier: subprocess.Popen[str], *, until: float) -> Answer:
    try:
        said, _nothing = courier.communicate(timeout=max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        courier.kill()
        courier.communicate()
        return Answer(ok=False, error=_("no answer in time"))
    try:
        raw = json.loads(said)
    except ValueError:
        return Answer(ok=False, error=_("the messenger itself failed"))
    words = {
        "sealed": _("SECRET_KEY has changed since: enter the address anew"),
        "address": _("Apprise does not understand the address"),
    }
    error = str(raw.get("error", ""))
    return Answer(
        ok=bool(raw.get("ok")),
        error=words.get(error, error) or ("" if raw.get("ok") else _("not accepted")),
        sealed=str(raw.get("sealed", "")),
        service=str(raw.get("service", "")),
    )


def _environment() -> dict[str, str]:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if settings.OUTBOUND_PROXY:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            environment[name] = environment[name.lower()] = settings.OUTBOUND_PROXY
        environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1,localhost"
    return environment
