"""Who changed which setting, when, from what to what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from bridge_site.adjustable import Adjustable
from bridge_site.adjusting.fields import told
from bridge_site.adjusting.saving import KNOWN
from plumbing.models import AdjustedSetting

SHOWN = 200
DELETED = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """One change; `before_raw` None is the default."""

    pk: int
    setting: Adjustable
    at: datetime
    who: str
    before: str
    after: str
    before_raw: str | None
    is_current: bool


def read_changes() -> list[SettingChange]:
    """Read the latest changes, newest first."""
    rows = AdjustedSetting.history.select_related("history_user")
    rows = rows.filter(name__in=KNOWN).order_by("-history_date", "-history_id")
    newest = list(rows[: SHOWN + 1])
    changes, seen = [], set()
    for place, row in enumerate(newest[:SHOWN]):
        earlier = next((r for r in newest[place + 1 :] if r.name == row.name), None)
        setting = KNOWN[row.name]
        before = None if earlier is None else _raw(earlier)
        changes.append(
            SettingChange(
                pk=row.history_id,
                setting=setting,
                at=row.history_date,
                who=who(row),
                before=told_raw(setting, before),
                after=told_raw(setting, _raw(row)),
                before_raw=before,
                is_current=row.name not in seen,
            )
        )
        seen.add(row.name)
    return changes


def read_last_changes(names: Iterable[str]) -> dict[str, tuple[datetime, str]]:
    """Read when each of these was last changed, and by whom."""
    of_each = AdjustedSetting.history.filter(name__in=names).order_by()
    last = of_each.values("name").annotate(last=Max("history_id")).values("last")
    rows = AdjustedSetting.history.filter(history_id__in=last)
    return {
        row.name: (row.history_date, who(row))
        for row in rows.select_related("history_user")
    }


def told_raw(setting: Adjustable, raw: str | None) -> str:
    """Say a stored text in words; one of another version's as it stands."""
    if raw is None:
        default = told(setting, setting.declared.default)
        return _("%(value)s (default)") % {"value": default}
    try:
        return told(setting, setting.parse(raw))
    except ValueError:
        return raw


def who(row: Any) -> str:
    return str(row.history_user or _("somebody who has left"))


def _raw(row: Any) -> str | None:
    return None if row.history_type == DELETED else row.value
