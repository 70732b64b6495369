"""What is done to many orders of the list at once."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.confirming import answer_form, ask
from backoffice.formatting import grouped
from backoffice.pages import log_objects, report
from orders.admin.buttons import ORDER_BUTTONS, Answers, OrderButton, press
from orders.admin.deciding_many import decide_many
from orders.admin.forms import ActionForm, CancelForm, PlacesForm
from orders.admin.full_order import load_full_order
from orders.admin.handover import may_print, pdf_answer
from orders.admin.listing import OrderListAdmin
from orders.handover.printing import print_waybills
from orders.models import Order
from orders.plan.actions import ActionImpossible
from plumbing.leases import database_now

# Each order is a transaction; more would keep the person waiting.
AT_ONCE = 200
# Each of these opens some way out.
DECIDING = ("retry_step", "reserve_order", "cancel_order", "accept_order")
REASONS_SHOWN = 3
Answer = HttpResponse | None


class BulkActions(OrderListAdmin):
    """The list's actions; each does to an order what its button does."""

    actions = ("decide", "accept", "assemble", "print_waybills", "cancel")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return any(request.user.has_perm(f"orders.{name}") for name in DECIDING)

    def has_accept_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.accept_order")

    def has_assemble_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.assemble_order")

    def has_print_permission(self, request: HttpRequest) -> bool:
        return may_print(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.cancel_order")

    @admin.action(description=_("Decide what is stuck…"), permissions=["decide"])
    def decide(self, request: HttpRequest, queryset: QuerySet[Order]) -> Answer:
        return decide_many(request, self, list(queryset[:AT_ONCE]))

    @admin.action(description=_("Accept"), permissions=["accept"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        _press_each(request, queryset, ORDER_BUTTONS["accept"], {})

    @admin.action(description=_("Assemble…"), permissions=["assemble"])
    def assemble(self, request: HttpRequest, queryset: QuerySet[Order]) -> Answer:
        button = ORDER_BUTTONS["assemble"]
        return self._ask_and_press(request, queryset, button, form=PlacesForm)

    @admin.action(description=_("Cancel…"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> Answer:
        button = ORDER_BUTTONS["cancel"]
        return self._ask_and_press(request, queryset, button, form=CancelForm)

    @admin.action(description=_("Waybills as one PDF"), permissions=["print"])
    def print_waybills(self, request: HttpRequest, queryset: QuerySet[Order]) -> Answer:
        orders, now = list(queryset[:AT_ONCE]), database_now()
        actor = request.user.get_username()
        printed = print_waybills(orders, actor=actor, now=now)
        if not printed.pdf:
            text = gettext("None of these orders has a waybill yet.")
            messages.warning(request, text)
            return None
        pks = [order.pk for order in printed.orders]
        what = gettext("Waybills printed")
        log_objects(request, Order.objects.filter(pk__in=pks), what)
        messages.success(request, printed.summary())
        if printed.missing:
            text = gettext("No waybill: %(codes)s")
            codes = ", ".join(order.code for order in printed.missing)
            messages.warning(request, text % {"codes": codes})
        return pdf_answer(printed.pdf, name="waybills.pdf")

    def _ask_and_press(
        self,
        request: HttpRequest,
        queryset: QuerySet[Order],
        button: OrderButton,
        *,
        form: type[ActionForm],
    ) -> Answer:
        asked = answer_form(request, form)
        if asked.is_valid():
            _press_each(request, queryset, button, asked.cleaned_data)
            return None
        orders = list(queryset[:AT_ONCE])
        fitting = [o for o in orders if button.fits(load_full_order(o), o)]
        text = ngettext(
            "It fits %(n)s of the %(all)s chosen orders; the others are skipped.",
            "It fits %(n)s of the %(all)s chosen orders; the others are skipped.",
            len(fitting),
        )
        figures = {"n": grouped(len(fitting)), "all": grouped(len(orders))}
        return ask(
            request,
            self,
            asked,
            title=button.title,
            paragraphs=[button.text, text % figures],
            chosen=orders,
            names=[order.code for order in fitting],
            is_danger=button.is_danger,
        )


def _press_each(
    request: HttpRequest,
    queryset: QuerySet[Order],
    button: OrderButton,
    answers: Answers,
) -> None:
    """Do the same to each order; what does not fit is skipped and said."""
    orders, done, reasons = list(queryset[: AT_ONCE + 1]), 0, []
    for order in orders[:AT_ONCE]:
        if not button.fits(load_full_order(order), order):
            continue
        try:
            press(request, button, order, answers)
        except ActionImpossible as error:
            reasons.append(f"{order.code}: {error}")
        else:
            done += 1
    skipped = min(len(orders), AT_ONCE) - done
    report(request, button.title, done=done, skipped=skipped)
    for reason in reasons[:REASONS_SHOWN]:
        messages.warning(request, reason)
    if len(orders) > AT_ONCE:
        text = gettext("At most %(n)d orders at once: the others are as they were.")
        messages.warning(request, text % {"n": AT_ONCE})
