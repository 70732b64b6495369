"""The page of an order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.pages import Button
from orders.admin.acting import take
from orders.admin.bulk import BulkActions, pdf_answer
from orders.admin.panels import offered, page_panels
from orders.admin.standing import read_standing
from orders.admin.ways import LINE_WAYS, ORDER_WAYS, STEP_WAYS
from orders.models import Order, OrderLine, Step, Waybill

# What the order waits for most comes first; these are seldom the point.
NEVER_MAIN = {"accept-unreserved", "by-hand", "release", "released", "cancel", "reread"}


@admin.register(Order)
class OrderAdmin(BulkActions):
    """An order with everything that is known of it, and the ways out."""

    change_form_template = "admin/orders/order/change_form.html"
    fieldsets = ((_("Our note"), {"fields": ("note",)}),)

    def object_buttons(self, request: HttpRequest, obj: Order) -> list[Button]:
        """Offer what makes sense now, to those who may."""
        standing = read_standing(obj)
        buttons: list[Button] = []
        for way in offered(request, ORDER_WAYS, standing, obj):
            # While something is stuck, its own buttons are the main ones.
            may_lead = way.slug not in NEVER_MAIN and not standing.stuck
            buttons.append(
                Button(
                    label=str(way.label),
                    url=reverse("admin:act_on_order", args=[obj.pk, way.slug]),
                    asks_first=way.form is not None,
                    is_main=may_lead and not any(b.is_main for b in buttons),
                )
            )
        return buttons

    def panels(self, request: HttpRequest, obj: Order) -> dict[str, Any]:
        """Give the template what it shows."""
        return page_panels(request, read_standing(obj), now=timezone.now())

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002  (Django's signature)
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Order | None = None,
    ) -> HttpResponse:
        """Name the page; its form is but a note, so one way to save it will do."""
        context |= {
            "subtitle": gettext("Order %(code)s") % {"code": obj},
            "show_save_and_continue": False,
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Keep the note small."""
        if db_field.name == "note":
            kwargs["widget"] = forms.Textarea(attrs={"rows": 2, "cols": 60})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses that the buttons use."""
        views: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("<int:pk>/do/<slug:slug>/", self.act_on_order, "act_on_order"),
            ("step/<int:pk>/<slug:slug>/", self.act_on_step, "act_on_step"),
            ("line/<int:pk>/<slug:slug>/", self.act_on_line, "act_on_line"),
            ("waybill/<int:pk>/", self.waybill, "order_waybill"),
        ]
        wrap = self.admin_site.admin_view
        ours = [path(route, wrap(view), name=name) for route, view, name in views]
        return [*ours, *super().get_urls()]

    def act_on_order(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """Take a way out of the order's situation."""
        if slug not in ORDER_WAYS:
            raise Http404
        order = get_object_or_404(Order, pk=pk)
        return take(request, ORDER_WAYS[slug], order, site=self.admin_site)

    def act_on_step(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """Take a way out of a step's."""
        if slug not in STEP_WAYS:
            raise Http404
        step = get_object_or_404(Step.objects.select_related("order"), pk=pk)
        return take(request, STEP_WAYS[slug], step, site=self.admin_site)

    def act_on_line(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """Take a way out of a line's."""
        if slug not in LINE_WAYS:
            raise Http404
        line = get_object_or_404(OrderLine.objects.select_related("order"), pk=pk)
        return take(request, LINE_WAYS[slug], line, site=self.admin_site)

    def waybill(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a waybill, which names the buyer, to those who print them."""
        if not request.user.has_perm("orders.assemble_order"):
            raise PermissionDenied
        waybill = get_object_or_404(Waybill.objects.select_related("order"), pk=pk)
        name = f"waybill-{waybill.order.code}.pdf"
        return pdf_answer(bytes(waybill.pdf), name=name)
