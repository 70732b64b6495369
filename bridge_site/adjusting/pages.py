"""The owner's pages for settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.forms import BoundField, Form
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from backoffice.formatting import Tone, pill, when
from backoffice.pages import log_action
from bridge_site.adjustable import (
    ADJUSTABLE,
    BUILD,
    FIXED,
    GROUPS,
    OBSERVING,
    UNSHOWN,
    Adjustable,
)
from bridge_site.adjusting.effect import effect_of
from bridge_site.adjusting.fields import told
from bridge_site.adjusting.form import (
    Change,
    SettingsForm,
    change_to,
    current_values,
    misfits,
)
from bridge_site.adjusting.history import (
    read_changes,
    read_last_changes,
)
from bridge_site.adjusting.saving import KNOWN, save_settings
from orders.models import Step
from plumbing.adjusting import settled
from plumbing.models import AdjustedSetting

PERMISSION = "bridge_site.change_adjustedsetting"
# What the page of effects adds to what was filled in.
NOT_POSTED_AGAIN = ("csrfmiddlewaretoken", "confirmed", "seal", "sure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A setting on the page; without a field the environment says what it is."""

    setting: Adjustable
    field: BoundField | None
    value: str
    default: str
    # None: it is the default.
    source: SafeString | None
    changed: SafeString | str
    who: str


def settings_page(request: HttpRequest) -> HttpResponseBase:
    """Show all settings; save them once the changes were confirmed."""
    _require(request)
    # What is stored now, not what this process read a moment ago.
    with settled(anew=True):
        if request.method != "POST":
            return _show(request, SettingsForm())
        form = SettingsForm(request.POST)
        if not form.is_valid():
            return _show(request, form)
        changes = form.changes()
        if not changes:
            messages.info(request, _("Nothing was changed."))
            return redirect("owner_settings")
        posted = [
            (name, value)
            for name, values in request.POST.lists()
            if name not in NOT_POSTED_AGAIN
            for value in values
        ]
        if (answer := _show_first(request, changes, posted=posted)) is not None:
            return answer
        save_settings({c.setting.name: c.raw for c in changes}, by=_user(request))
    for change in changes:
        text = f"{change.setting.label}: {change.old_text} → {change.new_text}"
        log_action(request, AdjustedSetting, text)
    number = len(changes)
    said = ngettext(
        "%(n)d setting was changed.", "%(n)d settings were changed.", number
    )
    messages.success(request, said % {"n": number})
    return redirect("owner_settings")


def observing_page(request: HttpRequest) -> HttpResponseBase:
    """Switch observing on at once, and off after telling what that sets going."""
    _require(request)
    with settled(anew=True):
        if OBSERVING.declared.is_set:
            messages.error(request, _("OBSERVE_ONLY is set in the environment."))
            return redirect("owner_settings")
        is_on = bool(settings.OBSERVE_ONLY)
        if request.method != "POST":
            return _page(
                request,
                "bridge/settings_observing.html",
                _("Stop observing") if is_on else _("Only observe"),
                is_on=is_on,
                **_withheld(),
            )
        wanted = "1" if request.POST.get("observe") == "1" else None
        save_settings({OBSERVING.name: wanted}, by=_user(request))
    text = _("Observing only: on") if wanted else _("Observing only: off")
    log_action(request, AdjustedSetting, text)
    messages.success(request, text)
    return redirect("owner_settings")


def history_page(request: HttpRequest) -> HttpResponseBase:
    """Show who changed what, each with a way back."""
    _require(request)
    with settled(anew=True):
        changes = [
            (change, when(change.at), _may_go_back(change.setting))
            for change in read_changes()
        ]
    title = _("Changes of settings")
    return _page(request, "bridge/settings_history.html", title, changes=changes)


@require_POST
def put_back(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Set a setting to what it was before a change."""
    _require(request)
    change = next((c for c in read_changes() if c.pk == pk), None)
    if change is None or not _may_go_back(change.setting):
        messages.error(request, _("This change cannot be undone here."))
        return redirect("owner_settings_history")
    with settled(anew=True):
        try:
            back = change_to(change.setting, change.before_raw)
        except ValueError:
            messages.error(request, _("This version cannot use that value any more."))
            return redirect("owner_settings_history")
        values = {**current_values(), back.setting.name: back.new}
        for _name, why in misfits(values, changed=[back.setting.name]):
            messages.error(request, why)
            return redirect("owner_settings_history")
        if back.setting.then == BUILD and back.old != back.new:
            answer = _show_first(request, [back], posted=[])
            if answer is not None:
                return answer
        save_settings({change.setting.name: change.before_raw}, by=_user(request))
    text = f"{change.setting.label}: {change.before}"
    log_action(request, AdjustedSetting, text)
    messages.success(request, _("Put back: %(what)s") % {"what": text})
    return redirect("owner_settings_history")


def _show(request: HttpRequest, form: SettingsForm) -> TemplateResponse:
    last = read_last_changes(KNOWN)
    stored = dict(AdjustedSetting.objects.values_list("name", "value"))
    groups = [
        (group, [_row(each, form, stored, last) for each in group.settings])
        for group in GROUPS
    ]
    return _page(
        request,
        "bridge/settings.html",
        _("Settings"),
        form=form,
        groups=groups,
        fixed=_fixed(),
        observing=_observing(last),
    )


def _row(
    setting: Adjustable,
    form: Form,
    stored: dict[str, str],
    last: dict[str, tuple[Any, str]],
) -> Row:
    name = setting.name
    is_changed = name in stored and not setting.declared.is_set
    source: SafeString | None
    if setting.declared.is_set:
        source = pill(_("environment"), Tone.INFO)
    elif is_changed and _is_usable(setting, stored[name]):
        source = pill(_("changed"), Tone.GOOD)
    elif is_changed:
        source = pill(_("cannot be used"), Tone.BAD)
    else:
        source = None
    at, by = last.get(name, (None, "")) if is_changed else (None, "")
    return Row(
        setting=setting,
        field=form[name] if name in form.fields else None,
        value=told(setting, getattr(settings, name)),
        default=told(setting, setting.declared.default),
        source=source,
        changed=when(at) if at else "",
        who=by,
    )


def _is_usable(setting: Adjustable, raw: str) -> bool:
    try:
        setting.parse(raw)
    except ValueError:
        return False
    return True


def _observing(last: dict[str, tuple[Any, str]]) -> dict[str, Any]:
    is_on = bool(settings.OBSERVE_ONLY)
    at, by = last.get(OBSERVING.name, (None, ""))
    return {
        "is_on": is_on,
        "is_set": OBSERVING.declared.is_set,
        "pill": pill(_("on"), Tone.WARN) if is_on else pill(_("off"), Tone.GOOD),
        "at": when(at) if at else "",
        "who": by,
    }


def _withheld() -> dict[str, Any]:
    waiting = Step.objects.filter(status=Step.Status.PENDING)
    steps = waiting.select_related("order").order_by("order__accept_by", "pk")
    return {"number": waiting.count(), "steps": list(steps[:20])}


def _fixed() -> list[tuple[object, list[tuple[str, str]]]]:
    """List what the page cannot change; of secrets only whether they are set."""
    return [
        (reason, [(name, _fixed_value(name)) for name in names])
        for reason, names in FIXED.items()
    ]


def _fixed_value(name: str) -> str:
    declared = settings.SETTING_DECLARATIONS[name]
    if name in UNSHOWN:
        return _("set") if declared.is_set else _("not set")
    value = getattr(settings, name, None)
    if value is None:
        return _("set") if declared.is_set else _("default")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    several = isinstance(value, (list, tuple))
    text = ", ".join(map(str, value)) if several else str(value)
    return text or _("not set")


def _show_first(
    request: HttpRequest,
    changes: Sequence[Change],
    *,
    posted: Sequence[tuple[str, str]],
) -> TemplateResponse | None:
    """Show what would change; None once just that was seen and confirmed."""
    effect, error = effect_of(changes), ""
    if "confirmed" in request.POST:
        if effect is None:
            return None
        if not effect.is_sealed(request.POST.get("seal", "")):
            error = _(
                "Settings, rules or choices changed since this page was made. "
                "Look once more: this is what would change now."
            )
        elif effect.warnings and "sure" not in request.POST:
            error = _("Tick that you mean it, or go back to the form.")
        else:
            return None
    return _page(
        request,
        "bridge/settings_confirm.html",
        _("What will change"),
        changes=changes,
        posted=posted,
        error=error,
        touches_list=effect is not None,
        **(effect.context if effect else {}),
    )


def _may_go_back(setting: Adjustable) -> bool:
    # Observing has its own page, which says what switching it off sets going.
    return setting.name in ADJUSTABLE and not setting.declared.is_set


def _page(
    request: HttpRequest, template: str, title: str, **context: Any
) -> TemplateResponse:
    site = admin.site.each_context(request)
    return TemplateResponse(request, template, {**site, "title": title, **context})


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (the admin let them in)
    return request.user
