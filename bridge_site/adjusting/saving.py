"""Stores what the owner sets, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from bridge_site.adjustable import ADJUSTABLE, OBSERVING
from bridge_site.schedules import sync_schedules
from plumbing.adjusting import look, settled
from plumbing.leases import database_now
from plumbing.models import AdjustedSetting
from plumbing.queue import enqueue

KNOWN = {**ADJUSTABLE, OBSERVING.name: OBSERVING}


class SetElsewhere(Exception):
    """The environment says what this setting is; nothing stored would count."""


def save_settings(raws: Mapping[str, str | None], *, by: User) -> None:
    """Store each setting's text; None, or the default's value, gives the default back.

    The schedules follow in the same transaction. Raises `SetElsewhere`, and
    `ValueError` for a text that the setting cannot be.
    """
    now = database_now()
    with transaction.atomic():
        for name, raw in sorted(raws.items()):
            _save_one(name, raw, by=by, now=now)
        with settled(anew=True):
            sync_schedules(now=now)
        for task in sorted({KNOWN[name].then for name in raws} - {""}):
            enqueue(task, cluster="imports")
        transaction.on_commit(look)


def _save_one(name: str, raw: str | None, *, by: User, now: datetime) -> None:
    setting = KNOWN[name]
    if setting.declared.is_set:
        raise SetElsewhere(name)
    row = AdjustedSetting.objects.select_for_update().filter(pk=name).first()
    if raw is None or setting.parse(raw) == setting.declared.default:
        if row is not None:
            _name_author(row, by)
            row.delete()
        return
    row = row or AdjustedSetting(name=name)
    row.value, row.changed_at = raw, now
    _name_author(row, by)
    row.save()


def _name_author(row: AdjustedSetting, by: User) -> None:
    # Where django-simple-history looks first, whatever made the change.
    row._history_user = by  # type: ignore[attr-defined]
