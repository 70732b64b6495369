"""The form of a point of sale."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import decimals
from backoffice.pages import GenericForm
from feeds.cities import CITIES
from feeds.models import Store

OTHER_CITY = "other"
CITY_CODE = re.compile(r"^\d{9}$", re.ASCII)


class StoreForm(GenericForm[Store]):
    """Names the city, and keeps the points of one city alike, as Kaspi wants them."""

    city_code = forms.ChoiceField(label=_("City"))
    other_city = forms.CharField(
        label=_("Code of another city"),
        required=False,
        max_length=9,
        help_text=_(
            "Only for a city that the choice does not name: nine digits, as Kaspi has "
            "it."
        ),
    )
    for_whole_city = forms.BooleanField(
        label=_("Pre-order and supplement for all points of the city"),
        required=False,
        help_text=_(
            "Kaspi wants them alike in all points of a city: the others are given the "
            "same."
        ),
    )

    class Meta:
        help_texts = {
            "store_id": _(
                "Copy it from the merchant cabinet exactly as it stands there: "
                "“PP1” or “Merchant_PP1”."
            ),
            "name": _("For yourselves; Kaspi does not see it."),
            "preorder_days": _(
                "Blank: sold from stock. All points of a city need the same."
            ),
            "stock_share": _(
                "The supplier's stock is one heap which the points divide by their "
                "shares. 0: the point is named in the list but offers nothing."
            ),
            "supplement_percent": _(
                "For a city that is farther off; all points of a city need the same. "
                "A price with a supplement is rounded up to 10 ₸."
            ),
            "is_active": _("Inactive points do not stand in the price list."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look has a form without fields.
        if isinstance(field := self.fields.get("city_code"), forms.ChoiceField):
            known = {code: str(name) for code, name in CITIES.items()}
            if (code := self.instance.city_code) not in known:
                known[code] = code
            field.choices = [*known.items(), (OTHER_CITY, _("another city…"))]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("city_code") == OTHER_CITY:
            data["city_code"] = data.get("other_city", "").strip()
            if not CITY_CODE.fullmatch(data["city_code"]):
                text = gettext("Nine digits are needed: Kaspi's code of the city.")
                self.add_error("other_city", ValidationError(text))
        if data.get("is_active") and not data.get("for_whole_city"):
            self._compare_with_city(data)
        return data

    def _compare_with_city(self, data: dict[str, Any]) -> None:
        others = Store.objects.active().filter(city_code=data.get("city_code"))
        other = others.exclude(pk=self.instance.pk).first()
        if other is None:
            return
        if data.get("preorder_days", other.preorder_days) != other.preorder_days:
            text = gettext(
                "%(store)s of the same city has %(days)s. Kaspi wants one "
                "pre-order for all points of a city."
            ) % {"store": other, "days": say_days(other.preorder_days)}
            self.add_error("preorder_days", ValidationError(text))
        for name in ("supplement_percent", "supplement_kzt"):
            if data.get(name, getattr(other, name)) != getattr(other, name):
                text = gettext(
                    "%(store)s of the same city has %(supplement)s. Kaspi wants one "
                    "price for all points of a city."
                ) % {"store": other, "supplement": say_supplement(other)}
                self.add_error(name, ValidationError(text))


def others_of_city(store: Store) -> QuerySet[Store]:
    """Give the other active points of the city."""
    others = Store.objects.active().filter(city_code=store.city_code)
    return others.exclude(pk=store.pk)


def say_days(days: int | None) -> str:
    if days is None:
        return gettext("no pre-order")
    text = ngettext("%(n)d day of pre-order", "%(n)d days of pre-order", days)
    return text % {"n": days}


def say_supplement(store: Store) -> str:
    """Tell what the point's city adds to a price: "+5 % +300 ₸"."""
    parts = []
    if store.supplement_percent:
        parts.append(f"+{decimals(store.supplement_percent)}\u00a0%")
    if store.supplement_kzt:
        parts.append(f"+{store.supplement_kzt}\u00a0₸")
    return " ".join(parts) or gettext("no supplement")
