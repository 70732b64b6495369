"""Points of sale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, figure, pill, two_lines
from feeds.admin.bulk import lead_on
from feeds.admin.proposing import ProposingAdmin
from feeds.admin.store_form import (
    StoreForm,
    others_of_city,
    say_days,
    say_supplement,
)
from feeds.admin.tables import TableAdmin
from feeds.dividing import Shelf
from feeds.models import CITY_TERMS, Proposal, Store
from feeds.proposals import Wanted
from feeds.sampling import read_sample, read_shelves


@admin.register(Store)
class StoreAdmin(ProposingAdmin[Store], TableAdmin[Store]):
    table = Proposal.Table.STORES
    quiet_fields = frozenset({"name"})
    actions = ("delete_selected",)
    form = StoreForm
    change_form_template = "admin/feeds/store/change_form.html"
    add_title = _("New point of sale")
    list_display = (
        "show_store",
        "show_city",
        "show_preorder",
        "show_supplement",
        "share_count",
        "on_sale_count",
        "show_state",
    )
    search_fields = ("store_id", "name", "city_code")

    def get_fieldsets(self, request: HttpRequest, obj: Store | None = None) -> Any:
        whose = ("store_id", "name", "is_active")
        where = ("city_code", "other_city")
        terms = ("preorder_days", "supplement_percent", "supplement_kzt")
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": (*whose, "show_city", *terms, "stock_share")})]
        return [
            (None, {"fields": (*whose, *where, "stock_share")}),
            (_("Terms of the city"), {"fields": (*terms, "for_whole_city")}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Store | None = None
    ) -> tuple[str, ...]:
        return ("show_city",)

    def title_of(self, obj: Store, *, is_new: bool) -> str:
        words = gettext("New point of sale: %(what)s")
        if not is_new:
            words = gettext("Point of sale: %(what)s")
        return words % {"what": obj}

    def wanted_by(
        self, form: Any, names: Iterable[str], *, key: int | str
    ) -> dict[int | str, Wanted]:
        data = form.cleaned_data
        own = [f.name for f in Store._meta.concrete_fields if f.name in data]
        wanted: dict[int | str, Wanted] = {key: {name: data[name] for name in own}}
        if data.get("is_active") and data.get("for_whole_city"):
            alike = {name: data[name] for name in CITY_TERMS}
            wanted |= {other.pk: alike for other in others_of_city(form.instance)}
        return wanted

    def panels(self, request: HttpRequest, obj: Store) -> dict[str, Any]:
        """Show what the list holds of this point."""
        sample = read_sample()
        needle = f'storeId="{obj.store_id}"'
        lines = sample.lines if sample else ()
        return {
            "shelf": read_shelves().get(obj.store_id),
            "sample": sample,
            "sample_lines": [(line, needle in line) for line in lines],
        }

    def decorate(self, request: HttpRequest, rows: Sequence[Store]) -> None:
        shelves = read_shelves()
        for row in rows:
            row.shelf = shelves.get(row.store_id)  # type: ignore[attr-defined]

    # Of Django's own name, in whose place it stands.
    @admin.action(description=_("Delete…"), permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[Store]
    ) -> HttpResponse | None:
        wanted = dict.fromkeys(queryset.values_list("pk", flat=True))
        title = gettext("Delete points of sale")
        return lead_on(request, table=self.table, title=title, wanted=wanted)

    @admin.display(description=_("point of sale"), ordering="store_id")
    def show_store(self, obj: Store) -> SafeString:
        return two_lines(obj.store_id, obj.name)

    @admin.display(description=_("city"), ordering="city_code")
    def show_city(self, obj: Store) -> str:
        return obj.city_name

    @admin.display(description=_("goods on sale"))
    def on_sale_count(self, obj: Store) -> SafeString:
        shelf: Shelf | None = obj.shelf  # type: ignore[attr-defined]
        return figure(shelf.goods if shelf else None)

    @admin.display(description=_("pre-order"), ordering="preorder_days")
    def show_preorder(self, obj: Store) -> str:
        return say_days(obj.preorder_days)

    @admin.display(description=_("supplement"), ordering="supplement_percent")
    def show_supplement(self, obj: Store) -> str:
        return say_supplement(obj)

    @admin.display(description=_("share of the stock"), ordering="stock_share")
    def share_count(self, obj: Store) -> SafeString:
        return figure(obj.stock_share)

    @admin.display(description=_("active"), ordering="is_active")
    def show_state(self, obj: Store) -> SafeString:
        if obj.is_active:
            return pill(_("active"), Tone.GOOD)
        return pill(_("switched off"), Tone.QUIET)
