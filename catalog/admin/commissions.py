"""Kaspi's commission by category: the one table that prices and profit go by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, decimals, pill, two_lines, when
from backoffice.pages import StaffAdmin, log_objects
from catalog.admin.rules import IndentedChoice
from catalog.commissions import commission_warning
from catalog.models import Category, CommissionRate
from plumbing.leases import database_now


class CommissionRateAdmin(StaffAdmin[CommissionRate]):
    """The table's pages; `feeds`, which knows what changes, registers them."""

    change_list_template = "admin/catalog/commissionrate/change_list.html"
    add_title = _("New commission")
    list_display = ("show_goods", "show_percent", "show_since", "show_checked")
    list_display_links = ("show_goods",)
    list_select_related = ("category",)
    actions: Sequence[str] = ("mark_checked",)
    fieldsets = (
        (
            _("Which goods"),
            {
                "description": _(
                    "Kaspi's own category counts first, then the deepest of ours, "
                    "then the row without any: all other goods."
                ),
                "fields": ("category", "kaspi_category"),
            },
        ),
        (
            _("Commission"),
            {
                "description": _(
                    "If the commission changes, add a row with the day from which "
                    "the new one holds; change a row only where it was wrong. Prices "
                    "by rules without a commission of their own follow at once."
                ),
                "fields": ("percent", "holds_from", "note"),
            },
        ),
    )

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "category":
            present = Category.objects.present().order_by("left", "pk")
            kwargs |= {"form_class": IndentedChoice, "queryset": present}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {
            "holds_from": timezone.localdate(),
            **super().get_changeform_initial_data(request),
        }

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"warning": commission_warning(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def has_check_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("catalog.check_commissionrate"))

    @admin.action(description=_("It is so in our contract"), permissions=["check"])
    def mark_checked(
        self, request: HttpRequest, queryset: QuerySet[CommissionRate]
    ) -> None:
        if not self.has_check_permission(request):
            raise PermissionDenied
        pks = list(queryset.unchecked().values_list("pk", flat=True))  # type: ignore[attr-defined]
        chosen = CommissionRate.objects.filter(pk__in=pks)
        log_objects(request, chosen, gettext("Compared with the contract"))
        chosen.update(checked_at=database_now(), checked_by=request.user.get_username())
        text = ngettext(
            "%(n)d row is confirmed.", "%(n)d rows are confirmed.", len(pks)
        )
        messages.success(request, text % {"n": len(pks)})

    # CSS knows the columns by these methods' names: field-show_… in admin/phones.css.
    @admin.display(description=_("goods"))
    def show_goods(self, obj: CommissionRate) -> SafeString:
        if obj.is_for_all_others:
            return format_html("<b>{}</b>", gettext("all other goods"))
        kind = _("our category") if obj.category_id else _("category at Kaspi")
        return two_lines(obj.goods, kind)

    @admin.display(description=_("Kaspi takes"), ordering="percent")
    def show_percent(self, obj: CommissionRate) -> SafeString:
        shown = decimals(obj.percent)
        return format_html('<span class="num">{}\u00a0%</span>', shown)

    @admin.display(description=_("holds from"), ordering="holds_from")
    def show_since(self, obj: CommissionRate) -> SafeString:
        return two_lines(format_date(obj.holds_from, "d.m.Y"), obj.note)

    @admin.display(description=_("checked"), ordering="checked_at")
    def show_checked(self, obj: CommissionRate) -> SafeString:
        if obj.checked_at is None:
            return pill(_("to be checked"), Tone.WARN)
        return two_lines(when(obj.checked_at), obj.checked_by)
