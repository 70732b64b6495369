"""What is done to many orders of the list at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import grouped
from backoffice.pages import log_objects, report
from orders.admin.acting import CONFIRM, act_once, title_of
from orders.admin.forms import ActionForm, CancelForm, PlacesForm
from orders.admin.listing import OrderListAdmin
from orders.admin.standing import Standing, read_standing
from orders.admin.ways import ORDER_WAYS, STEP_WAYS, Data, Way
from orders.models import Order
from orders.plan.actions import ActionImpossible
from orders.reading.waybills import merged_waybills

# Each order is a transaction; more would keep the person waiting.
AT_ONCE = 200
REASONS_SHOWN = 3
Answer = HttpResponse | None


class BulkActions(OrderListAdmin):
    """The list's actions; each does to an order what its button does."""

    actions = ("retry", "accept", "assemble", "print_waybills", "cancel")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Tell who may have steps tried again."""
        return request.user.has_perm("orders.retry_step")

    def has_accept_permission(self, request: HttpRequest) -> bool:
        """Tell who may accept."""
        return request.user.has_perm("orders.accept_order")

    def has_assemble_permission(self, request: HttpRequest) -> bool:
        """Tell who may assemble and print."""
        return request.user.has_perm("orders.assemble_order")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Tell who may cancel."""
        return request.user.has_perm("orders.cancel_order")

    @admin.action(description=_("Try what is stuck again"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Have the stuck steps tried again."""
        way = STEP_WAYS["retry"]
        _each(
            request,
            queryset,
            way,
            targets=lambda s: [step for step in s.stuck if way.fits(s, step)],
        )

    @admin.action(description=_("Accept"), permissions=["accept"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Accept what is reserved."""
        _each(request, queryset, ORDER_WAYS["accept"])

    @admin.action(description=_("Assemble…"), permissions=["assemble"])
    def assemble(self, request: HttpRequest, queryset: QuerySet[Order]) -> Answer:
        """Assemble, each into as many places."""
        way = ORDER_WAYS["assemble"]
        return _ask(self, request, queryset, way, action="assemble", form=PlacesForm)

    @admin.action(description=_("Cancel…"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> Answer:
        """Cancel, all for the same reason."""
        way = ORDER_WAYS["cancel"]
        return _ask(self, request, queryset, way, action="cancel", form=CancelForm)

    @admin.action(description=_("Waybills as one PDF"), permissions=["assemble"])
    def print_waybills(self, request: HttpRequest, queryset: QuerySet[Order]) -> Answer:
        """Send the newest waybill of each order in one file."""
        orders = list(queryset[:AT_ONCE])
        merged = merged_waybills(orders)
        if not merged.pdf:
            text = gettext("None of these orders has a waybill yet.")
            messages.warning(request, text)
            return None
        what = gettext("Waybills printed")
        printed = [order.pk for order in orders if order.code not in merged.missing]
        log_objects(request, Order.objects.filter(pk__in=printed), what)
        report(request, what, done=len(printed), skipped=len(merged.missing))
        if merged.missing:
            text = gettext("No waybill: %(codes)s")
            codes = ", ".join(merged.missing)
            messages.warning(request, text % {"codes": codes})
        return pdf_answer(merged.pdf, name="waybills.pdf")


def pdf_answer(pdf: bytes, *, name: str) -> HttpResponse:
    """Send a PDF that the browser shows and prints."""
    answer = HttpResponse(pdf, content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="{name}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _each(
    request: HttpRequest,
    queryset: QuerySet[Order],
    way: Way,
    *,
    data: Data | None = None,
    targets: Callable[[Standing], Iterable[Any]] | None = None,
) -> None:
    """Do the same to each order; what does not fit is skipped and said."""
    orders, done, reasons = list(queryset[: AT_ONCE + 1]), 0, []
    for order in orders[:AT_ONCE]:
        standing = read_standing(order)
        chosen = list(targets(standing)) if targets else [order]
        fitting = [target for target in chosen if way.fits(standing, target)]
        try:
            for target in fitting:
                act_once(request, way, target, data or {})
        except ActionImpossible as error:
            reasons.append(f"{order.code}: {error}")
        else:
            done += bool(fitting)
    chosen_count = min(len(orders), AT_ONCE)
    report(request, title_of(way), done=done, skipped=chosen_count - done)
    for reason in reasons[:REASONS_SHOWN]:
        messages.warning(request, reason)
    if len(orders) > AT_ONCE:
        text = gettext("At most %(n)d orders at once: the others are as they were.")
        messages.warning(request, text % {"n": AT_ONCE})


def _ask(
    model_admin: BulkActions,
    request: HttpRequest,
    queryset: QuerySet[Order],
    way: Way,
    *,
    action: str,
    form: type[ActionForm],
) -> Answer:
    """Ask first; the answer comes back as the same action with the same orders."""
    is_answer = "answered" in request.POST
    asked = form(request.POST if is_answer else None)
    if is_answer and asked.is_valid():
        _each(request, queryset, way, data=asked.cleaned_data)
        return None
    orders = list(queryset[:AT_ONCE])
    fitting = [order for order in orders if way.fits(read_standing(order), order)]
    count = len(fitting)
    text = ngettext(
        "It fits %(n)s of the %(all)s chosen orders; the others are skipped.",
        "It fits %(n)s of the %(all)s chosen orders; the others are skipped.",
        count,
    )
    figures = {"n": grouped(count), "all": grouped(len(orders))}
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title_of(way),
        "text": way.text,
        "more_text": text % figures,
        "form": asked,
        "is_danger": way.is_danger,
        "codes": [order.code for order in fitting],
        "hidden": [
            ("action", action),
            ("answered", "1"),
            ("select_across", "0"),
            ("index", "0"),
            *((ACTION_CHECKBOX_NAME, str(order.pk)) for order in orders),
        ],
        "back_url": reverse("admin:orders_order_changelist"),
        "opts": Order._meta,
    }
    return TemplateResponse(request, CONFIRM, context)
