"""What became of the last update, as run.py left it (launch.switching)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.dashboard import Need, NeedKind, Role
from backoffice.formatting import Tone
from plumbing.redaction import redact

TAKEN_BACK = NeedKind(
    code="update", label=gettext_lazy("An update failed"), roles=(Role.OWNER,)
)
TOLD_FOR = timedelta(days=7)
REASON_LENGTH = 300


def needs_of_updates(*, now: datetime) -> Iterator[Need]:
    """Tell of an update that was taken back, and of one that could not even begin."""
    last = _read("update.json")
    if last.get("stage") == "undone" and _is_recent(last.get("asked_at"), now=now):
        revision = str(last.get("revision", ""))[:12]
        text = _("The update to %(revision)s was taken back: %(reason)s")
        text %= {"revision": revision, "reason": _short(last.get("reason"))}
        yield Need(tone=Tone.BAD, text=text, kind=TAKEN_BACK, subject=revision)
    refused = _read("refused.json")
    if _is_recent(refused.get("at"), now=now):
        text = _("The bridge cannot be updated: %(reason)s")
        text %= {"reason": _short(refused.get("reason"))}
        yield Need(tone=Tone.WARN, text=text, kind=TAKEN_BACK, subject="refused")


def _read(name: str) -> dict[str, Any]:
    file = settings.HOME_DIR / "releases" / "state" / name
    try:
        read = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _is_recent(moment: object, *, now: datetime) -> bool:
    if not isinstance(moment, int | float):
        return False
    return now - datetime.fromtimestamp(moment, timezone.utc) < TOLD_FOR


def _short(reason: object) -> str:
    return redact(" ".join(str(reason or "").split()))[:REASON_LENGTH]
