"""The form of the settings' page."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from bridge_site.adjustable import ADJUSTABLE, Adjustable
from bridge_site.adjusting.fields import field_of, raw_of, told

# The first must not be more than the second; what is wrong then.
NOT_MORE = (
    (
        "SYNC_STOCK_EVERY_MIN",
        "STOCK_STALE_AFTER_MIN",
        _("Figures would be too old before the next reading: all would go off sale."),
    ),
    (
        "DEADLINE_NEAR_MIN",
        "ACCEPT_WITHIN_WORKING_MIN",
        _("Every order would be near its deadline from its first minute."),
    ),
    (
        "LEAST_STOCK_TO_LIST",
        "STOCK_CAP",
        _("No product could show enough pieces to be on sale."),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a person is about to change; `raw` None is the default."""

    setting: Adjustable
    old: Any
    new: Any
    raw: str | None

    @property
    def old_text(self) -> str:
        return told(self.setting, self.old)

    @property
    def new_text(self) -> str:
        return told(self.setting, self.new)

    @property
    def warning(self) -> str:
        warnings = self.setting.warnings
        return str(warnings.get(self.new, "")) if warnings else ""


def change_to(setting: Adjustable, raw: str | None) -> Change:
    """Give the change to a stored text; raises `ValueError` where it cannot be read."""
    new = setting.declared.default if raw is None else setting.parse(raw)
    return Change(
        setting=setting, old=getattr(settings, setting.name), new=new, raw=raw
    )


def current_values() -> dict[str, Any]:
    return {name: getattr(settings, name) for name in ADJUSTABLE}


def misfits(
    values: Mapping[str, Any], *, changed: Container[str]
) -> Iterator[tuple[str, str]]:
    """Name the changed settings that do not fit the others, each with what is wrong."""
    for smaller, greater, text in NOT_MORE:
        names = [name for name in (smaller, greater) if name in changed]
        if names and values[smaller] > values[greater]:
            yield names[0], str(text)


class SettingsForm(forms.Form):
    """Every setting that the environment leaves to the owner."""

    def __init__(self, data: Any = None) -> None:
        names = [s.name for s in ADJUSTABLE.values() if not s.declared.is_set]
        initial = {name: raw_of(getattr(settings, name)) for name in names}
        super().__init__(data, initial=initial)
        for name in names:
            self.fields[name] = field_of(ADJUSTABLE[name])
            self.fields[name].widget.attrs["aria-describedby"] = f"about-{name}"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        values = current_values()
        for name in self.changed_data:
            if name in self.errors:
                continue
            setting = ADJUSTABLE[name]
            raw = raw_of(cleaned[name]) if cleaned.get(name) is not None else ""
            try:
                values[name] = setting.parse(raw) if raw else setting.declared.default
            except ValueError:
                self.add_error(name, _("Cannot be read: write it as described."))
        for name, text in misfits(values, changed=self.changed_data):
            self.add_error(name, text)
        self.values = values
        return cleaned

    def changes(self) -> list[Change]:
        """List what differs from what counts now; the form must be valid."""
        found = []
        for name in self.changed_data:
            setting, new = ADJUSTABLE[name], self.values[name]
            is_default = new == setting.declared.default
            raw = None if is_default else raw_of(new)
            change = Change(
                setting=setting, old=getattr(settings, name), new=new, raw=raw
            )
            if change.old != change.new:
                found.append(change)
        return found
