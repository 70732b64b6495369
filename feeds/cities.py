"""The cities that Kaspi sells in, by its codes."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

CITIES = {
    "750000000": _("Almaty"),
    "710000000": _("Astana"),
    "511010000": _("Shymkent"),
    "471010000": _("Aktau"),
    "151010000": _("Aktobe"),
    "231010000": _("Atyrau"),
    "351010000": _("Karaganda"),
    "391010000": _("Kostanay"),
    "431010000": _("Kyzylorda"),
    "631010000": _("Oskemen"),
    "551010000": _("Pavlodar"),
    "591010000": _("Petropavlovsk"),
    "632810000": _("Semey"),
    "191010000": _("Taldykorgan"),
    "311010000": _("Taraz"),
    "512610000": _("Turkistan"),
    "271010000": _("Uralsk"),
}


def city_name(code: str) -> str:
    """Name a city; one that is not known here by its code."""
    return str(CITIES.get(code, code))
