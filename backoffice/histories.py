"""Who changed what staff decide: kept row by row, told in words, forgotten in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model, OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from backoffice.formatting import NOTHING, absolute, decimals, grouped, when
from backoffice.pages import M, StaffAdmin
from plumbing.clocks import now_to_show
from plumbing.leases import database_now

# The state before the first change that was kept: nobody made it, it was so.
BASELINE = "baseline"
ADDED, CHANGED, DELETED = "+", "~", "-"
ROWS_AT_ONCE = 500
SHOWN = 200
# Django's log and our history note one saving within the same moment.
SAME_SAVING = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing that happened to an object: who, when, and what became of what."""

    at: datetime
    who: str
    what: str
    reason: str = ""
    # (name of the field, was, is)
    changes: Sequence[tuple[str, str, str]] = ()
    # The row of the history whose state can be brought back.
    history_pk: int | None = None


def keep_before(rows: Sequence[Model], *, now: datetime) -> None:
    """Note how rows stand that have no history yet: their first change has an old side.

    Call it in the transaction of the change, before it.
    """
    if not rows:
        return
    kept = history_of(type(rows[0]))
    pks = [row.pk for row in rows]
    known: set[int] = set()
    for start in range(0, len(pks), ROWS_AT_ONCE):
        some = kept.filter(id__in=pks[start : start + ROWS_AT_ONCE]).order_by()
        known.update(some.values_list("id", flat=True))
    fresh = [row for row in rows if row.pk not in known]
    # The state before a change is found by its time.
    then = now - timedelta(microseconds=1)
    keep(fresh, kind=CHANGED, user_pk=None, reason=BASELINE, now=then)


def keep(
    rows: Sequence[Model], *, kind: str, user_pk: int | None, reason: str, now: datetime
) -> None:
    """Note the state of many rows at once, as their `save` would one by one."""
    if not rows:
        return
    model = history_of(type(rows[0])).model
    names = [field.attname for field in model.tracked_fields]
    model.objects.bulk_create(
        (
            model(
                history_date=now,
                history_type=kind,
                history_user_id=user_pk,
                history_change_reason=reason[:300],
                **{name: getattr(row, name) for name in names},
            )
            for row in rows
        ),
        batch_size=ROWS_AT_ONCE,
    )


def history_of(model: type[Model]) -> Any:
    """Give the manager of the model's history."""
    return model.history  # type: ignore[attr-defined]


def forget_old(model: type[Model], *, before: datetime) -> int:
    """Delete what is older, except the last state of each row; return how many."""
    kept = history_of(model)
    newest = (
        kept.filter(id=OuterRef("id"))
        .order_by("-history_date", "-history_id")
        .values("history_id")[:1]
    )
    old = kept.filter(history_date__lt=before).exclude(history_id=Subquery(newest))
    deleted, _each = old.delete()
    return int(deleted)


def read_turns(obj: Model) -> list[Turn]:
    """Tell the history of an object, newest first, with what the log alone knows."""
    kept = history_of(type(obj))
    # One more: the oldest shown is compared with the one before it.
    states = list(kept.filter(id=obj.pk).select_related("history_user")[: SHOWN + 1])
    turns = [
        _turn(state, states[number + 1] if number + 1 < len(states) else None)
        for number, state in enumerate(states[:SHOWN])
    ]
    moments = [state.history_date for state in states]
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(obj), object_id=str(obj.pk)
    ).select_related("user")[:SHOWN]
    turns += [_logged(entry) for entry in entries if not _is_told(entry, moments)]
    return sorted(turns, key=lambda turn: turn.at, reverse=True)


def differences_between(
    old: Any, new: Any, *, fields: Iterable[Field[Any, Any]]
) -> list[tuple[str, str, str]]:
    """Name the fields that differ, each with both values as people read them."""
    return [
        (str(capfirst(field.verbose_name)), readable(field, was), readable(field, now))
        for field in fields
        if (was := getattr(old, field.attname)) != (now := getattr(new, field.attname))
    ]


def readable(field: Field[Any, Any], value: Any) -> str:
    """Write a field's value as staff read it."""
    if value is None or value == "":
        return NOTHING
    if field.remote_field is not None:
        related = field.remote_field.model._default_manager.filter(pk=value).first()
        return str(related) if related is not None else f"№{value}"
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return absolute(value, now=now_to_show())
    if isinstance(value, Decimal):
        return decimals(value)
    if isinstance(value, int):
        return grouped(value)
    return str(value)


def told_changes(state: Any, before: Any) -> list[tuple[str, str, str]]:
    """Name what a state of the history changed of the one before, if it is known."""
    if state.history_type != CHANGED or before is None:
        return []
    fields = [field for field in state.tracked_fields if not field.primary_key]
    return differences_between(before, state, fields=fields)


def _turn(state: Any, before: Any) -> Turn:
    is_baseline = state.history_change_reason == BASELINE
    names = {ADDED: _("Added"), CHANGED: _("Changed"), DELETED: _("Deleted")}
    return Turn(
        at=state.history_date,
        who=str(state.history_user or ""),
        what=_("So it was before the first change kept")
        if is_baseline
        else names[state.history_type],
        reason="" if is_baseline else state.history_change_reason or "",
        changes=told_changes(state, before),
        history_pk=state.history_id,
    )


def _logged(entry: LogEntry) -> Turn:
    return Turn(
        at=entry.action_time,
        who=str(entry.user),
        what=entry.get_change_message() or entry.get_action_flag_display(),
    )


def _is_told(entry: LogEntry, moments: Sequence[datetime]) -> bool:
    """Tell whether the history says the same, and more."""
    return any(abs(entry.action_time - moment) < SAME_SAVING for moment in moments)


class HistoriedAdmin(StaffAdmin[M]):
    """Shows the history of its objects, with a way back to each state."""

    def may_bring_back(self, request: HttpRequest, obj: M) -> bool:
        return self.has_change_permission(request, obj)

    def bring_back(
        self, request: HttpRequest, obj: M, values: dict[str, Any], *, at: str
    ) -> HttpResponse:
        """Put the object's fields back to `values`, as they were `at` that moment."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: Any) -> None:
        if change:
            keep_before([type(obj)._default_manager.get(pk=obj.pk)], now=database_now())
        super().save_model(request, obj, form, change)

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined,no-any-return]
                request, self.opts, object_id
            )
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        now, turns = now_to_show(), read_turns(obj)
        states = [turn.history_pk for turn in turns]
        context = {
            **self.admin_site.each_context(request),
            "title": _("History"),
            "subtitle": None,
            "opts": self.opts,
            "original": obj,
            "turns": [(turn, when(turn.at, now=now)) for turn in turns],
            "newest_pk": next((pk for pk in states if pk is not None), None),
            "may_bring_back": self.may_bring_back(request, obj),
            "url_name": f"admin:{self._back_url_name}",
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "backoffice/history.html", context)

    @property
    def _back_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_bring_back"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._bring_back)
        ours = path(
            "<path:object_id>/history/<int:history_pk>/", view, name=self._back_url_name
        )
        return [ours, *super().get_urls()]

    def _bring_back(
        self, request: HttpRequest, object_id: str, history_pk: int
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if request.method != "POST" or not self.may_bring_back(request, obj):
            raise PermissionDenied
        state = get_object_or_404(
            history_of(type(obj)), history_id=history_pk, id=obj.pk
        )
        values = {
            field.name: getattr(state, field.attname)
            for field in state.tracked_fields
            if not field.primary_key
        }
        at = absolute(state.history_date, now=now_to_show())
        return self.bring_back(request, obj, values, at=at)
