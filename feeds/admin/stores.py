"""Points of sale."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, figure, pill, two_lines
from backoffice.pages import GenericForm, StaffAdmin
from feeds.models import Store
from plumbing.queue import enqueue


class StoreForm(GenericForm[Store]):
    """Keeps the points of one city alike, as Kaspi wants them."""

    class Meta:
        help_texts = {
            "store_id": _(
                "Copy it from the merchant cabinet exactly as it stands there: "
                "“PP1” or “Merchant_PP1”."
            ),
            "name": _("For yourselves; Kaspi does not see it."),
            "city_code": _("Kaspi's code of the city: 750000000 is Almaty."),
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

    def clean_store_id(self) -> str:
        return str(self.cleaned_data["store_id"]).strip()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not data.get("is_active"):
            return data
        others = Store.objects.active().filter(city_code=data.get("city_code"))
        other = others.exclude(pk=self.instance.pk).first()
        if other is None:
            return data
        if data.get("preorder_days", other.preorder_days) != other.preorder_days:
            text = gettext(
                "%(store)s of the same city has %(days)s. Kaspi wants one "
                "pre-order for all points of a city."
            ) % {"store": other, "days": _days(other.preorder_days)}
            self.add_error("preorder_days", ValidationError(text))
        for name in ("supplement_percent", "supplement_kzt"):
            if data.get(name, getattr(other, name)) != getattr(other, name):
                text = gettext(
                    "%(store)s of the same city has %(supplement)s. Kaspi wants one "
                    "price for all points of a city."
                ) % {"store": other, "supplement": _supplement(other)}
                self.add_error(name, ValidationError(text))
        return data


def _days(days: int | None) -> str:
    if days is None:
        return gettext("no pre-order")
    return gettext("%(days)d days of pre-order") % {"days": days}


def _supplement(store: Store) -> str:
    """Tell what the point's city adds to a price: "+5 % +300 ₸"."""
    parts = []
    if store.supplement_percent:
        parts.append(f"+{store.supplement_percent.normalize():f}\u00a0%")
    if store.supplement_kzt:
        parts.append(f"+{store.supplement_kzt}\u00a0₸")
    return " ".join(parts) or gettext("no supplement")


@admin.register(Store)
class StoreAdmin(StaffAdmin[Store]):
    form = StoreForm
    add_title = _("New point of sale")
    delete_title = _("Delete the point of sale %(name)s?")
    list_display = (
        "show_store",
        "city_code",
        "show_preorder",
        "show_supplement",
        "share_count",
        "show_state",
    )
    search_fields = ("store_id", "name", "city_code")

    def save_model(
        self, request: HttpRequest, obj: Store, form: Any, change: Any
    ) -> None:
        # Each change makes a new list.
        super().save_model(request, obj, form, change)
        if form.changed_data:
            enqueue("feeds.tasks.build_feed", cluster="imports")

    def delete_model(self, request: HttpRequest, obj: Store) -> None:
        super().delete_model(request, obj)
        enqueue("feeds.tasks.build_feed", cluster="imports")

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        enqueue("feeds.tasks.build_feed", cluster="imports")

    @admin.display(description=_("point of sale"), ordering="store_id")
    def show_store(self, obj: Store) -> SafeString:
        return two_lines(obj.store_id, obj.name)

    @admin.display(description=_("pre-order"), ordering="preorder_days")
    def show_preorder(self, obj: Store) -> str:
        return _days(obj.preorder_days)

    @admin.display(description=_("supplement"), ordering="supplement_percent")
    def show_supplement(self, obj: Store) -> str:
        return _supplement(obj)

    @admin.display(description=_("share of the stock"), ordering="stock_share")
    def share_count(self, obj: Store) -> SafeString:
        return figure(obj.stock_share)

    @admin.display(description=_("active"), ordering="is_active")
    def show_state(self, obj: Store) -> SafeString:
        if obj.is_active:
            return pill(_("active"), Tone.GOOD)
        return pill(_("switched off"), Tone.QUIET)
