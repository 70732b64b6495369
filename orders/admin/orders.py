"""The page of an order."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import answer_form, ask
from backoffice.pages import Button
from orders.admin.bulk import BulkActions
from orders.admin.buttons import (
    FIGURES,
    LINE_BUTTONS,
    ORDER_BUTTONS,
    STEP_BUTTONS,
    OrderButton,
    Target,
    offered,
    order_of,
    press,
)
from orders.admin.deciding import offers_of
from orders.admin.full_order import FullOrder, load_full_order
from orders.admin.handover import may_print, pdf_answer
from orders.admin.mapping import choose_product
from orders.admin.panels import page_panels
from orders.models import Order, OrderLine, Step, Waybill
from orders.plan.actions import ActionImpossible
from plumbing.clocks import now_to_show

# What the order waits for most comes first; these are seldom the point.
NEVER_MAIN = {
    *("accept-unreserved", "by-hand", "release", "released"),
    *("cancel", "reread", "close"),
}


@admin.register(Order)
class OrderAdmin(BulkActions):
    change_form_template = "admin/orders/order/change_form.html"
    fieldsets = ((_("Our note"), {"fields": ("note",)}),)

    def object_buttons(self, request: HttpRequest, obj: Order) -> list[Button]:
        full = _full(request, obj)
        buttons: list[Button] = []
        # What the cards offer stands there, with what comes of it.
        on_cards = {
            offer.button.slug
            for step in full.stuck
            for offer in offers_of(request, full, step)
            if offer.way.of == "order"
        }
        for button in offered(request, ORDER_BUTTONS, full, obj):
            if button.slug in on_cards or button.slug == FIGURES:
                continue
            # While something is stuck, its own buttons are the main ones.
            may_lead = button.slug not in NEVER_MAIN and not full.stuck
            is_main = may_lead and not any(b.is_main for b in buttons)
            buttons.append(button.at("act_on_order", obj.pk, is_main=is_main))
        return buttons

    def panels(self, request: HttpRequest, obj: Order) -> dict[str, Any]:
        return page_panels(request, _full(request, obj), now=now_to_show())

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002  (Django's signature)
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Order | None = None,
    ) -> HttpResponse:
        context |= {
            "subtitle": gettext("Order %(code)s") % {"code": obj},
            # The form is but a note: one way to save it will do.
            "show_save_and_continue": False,
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "note":
            kwargs["widget"] = forms.Textarea(attrs={"rows": 2, "cols": 60})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        act = [
            path(
                f"{route}/<slug:slug>/",
                wrap(self.act),
                {"model": model, "buttons": buttons},
                name=name,
            )
            for route, model, buttons, name in (
                ("<int:pk>/do", Order, ORDER_BUTTONS, "act_on_order"),
                ("step/<int:pk>", Step, STEP_BUTTONS, "act_on_step"),
                ("line/<int:pk>", OrderLine, LINE_BUTTONS, "act_on_line"),
            )
        ]
        waybill = path("waybill/<int:pk>/", wrap(self.waybill), name="order_waybill")
        return [*act, waybill, *super().get_urls()]

    def act(
        self,
        request: HttpRequest,
        pk: int,
        slug: str,
        *,
        model: type[Any],
        buttons: dict[str, OrderButton],
    ) -> HttpResponse:
        """Answer a button of an order, a step or a line: act, or ask first."""
        if slug not in buttons:
            raise Http404
        button = buttons[slug]
        target: Target = get_object_or_404(model, pk=pk)
        order = order_of(target)
        is_get_without_form = button.form is None and request.method != "POST"
        if is_get_without_form or not button.is_for(request):
            raise PermissionDenied
        answers = {}
        if not button.fits(load_full_order(order), target):
            messages.error(
                request, gettext("This is not possible any more: look again.")
            )
            return redirect("admin:orders_order_change", order.pk)
        if button.form is not None:
            form = answer_form(request, button.form, target=target)
            if not form.is_valid():
                if isinstance(target, OrderLine) and button is LINE_BUTTONS["map"]:
                    return choose_product(request, self, target, form=form)
                about = format_html('<b class="num">{}</b>', order)
                if target != order:
                    about = format_html("{} · {}", about, target)
                return ask(
                    request,
                    self,
                    form,
                    title=button.title,
                    paragraphs=[about, button.text],
                    about=order,
                    is_danger=button.is_danger,
                )
            answers = form.cleaned_data
        try:
            press(request, button, target, answers)
        except ActionImpossible as error:
            messages.error(request, str(error))
        else:
            noted = gettext("Noted: %(what)s") % {"what": button.title}
            messages.success(request, noted)
        return redirect("admin:orders_order_change", order.pk)

    def waybill(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a waybill, which names the buyer, to those who print them."""
        if not may_print(request):
            raise PermissionDenied
        waybill = get_object_or_404(Waybill.objects.select_related("order"), pk=pk)
        name = f"waybill-{waybill.order.code}.pdf"
        return pdf_answer(bytes(waybill.pdf), name=name)


def _full(request: HttpRequest, order: Order) -> FullOrder:
    """Load the order's rows once for a page."""
    if not hasattr(request, "full_order"):
        request.full_order = load_full_order(order)  # type: ignore[attr-defined]
    return cast("FullOrder", request.full_order)  # type: ignore[attr-defined]
