"""Points of sale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, figure, pill, two_lines
from backoffice.pages import log_objects
from feeds.admin.proposing import ReturningAdmin
from feeds.admin.store_form import (
    StoreForm,
    make_city_alike,
    say_days,
    say_supplement,
)
from feeds.admin.tables import TableAdmin
from feeds.models import Proposal, Store
from feeds.sampling import Shelf, read_sample, read_shelves
from plumbing.queue import enqueue


@admin.register(Store)
class StoreAdmin(ReturningAdmin[Store], TableAdmin[Store]):
    table = Proposal.Table.STORES
    form = StoreForm
    add_title = _("New point of sale")
    delete_title = _("Delete the point of sale %(name)s?")
    list_display = (
        "show_store",
        "show_city",
        "show_preorder",
        "show_supplement",
        "share_count",
        "show_on_sale",
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

    def save_model(
        self, request: HttpRequest, obj: Store, form: Any, change: Any
    ) -> None:
        # Each change makes a new list.
        super().save_model(request, obj, form, change)
        if obj.is_active and form.cleaned_data.get("for_whole_city"):
            alike = make_city_alike(obj)
            what = gettext("as in %(store)s, for the whole city") % {"store": obj}
            changed = Store.objects.filter(pk__in=[other.pk for other in alike])
            log_objects(request, changed, what)
        if form.changed_data:
            enqueue("feeds.tasks.build_feed", cluster="imports")

    def panels(self, request: HttpRequest, obj: Store) -> dict[str, Any]:
        """Show what the list holds of this point."""
        sample = read_sample(now=timezone.now())
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

    def delete_model(self, request: HttpRequest, obj: Store) -> None:
        super().delete_model(request, obj)
        enqueue("feeds.tasks.build_feed", cluster="imports")

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        enqueue("feeds.tasks.build_feed", cluster="imports")

    @admin.display(description=_("point of sale"), ordering="store_id")
    def show_store(self, obj: Store) -> SafeString:
        return two_lines(obj.store_id, obj.name)

    @admin.display(description=_("city"), ordering="city_code")
    def show_city(self, obj: Store) -> str:
        return obj.city_name

    @admin.display(description=_("goods on sale"))
    def show_on_sale(self, obj: Store) -> SafeString:
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
