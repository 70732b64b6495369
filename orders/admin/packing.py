"""How a parcel looks in the packer's lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import Tone, absolute, pill, two_lines
from backoffice.pages import Button
from orders.admin.buttons import ORDER_BUTTONS
from orders.admin.situation import time_left
from orders.handover.waiting import Missing, Parcel, reason_text
from orders.models import Order, OrderLine, ParcelCheck
from orders.plan.deadlines import due_now

MISSING_TONES = {
    Missing.NOT_ARRIVED: Tone.QUIET,
    Missing.NOT_ASSEMBLED: Tone.WARN,
    Missing.ASKED: Tone.INFO,
    Missing.STUCK: Tone.BAD,
    Missing.NOT_MADE: Tone.INFO,
    Missing.NOT_FETCHED: Tone.INFO,
}


def parcel_rows(
    request: HttpRequest, *, now: datetime
) -> Callable[[Parcel], dict[str, Any]]:
    """Make the function that turns a parcel into what its row shows."""
    may_see = request.user.has_perm("orders.view_order")
    by_kaspi = due_now(now=now)

    def row(parcel: Parcel) -> dict[str, Any]:
        order = parcel.order
        url = reverse("admin:orders_order_change", args=[order.pk])
        missing = parcel.missing
        return {
            "parcel": parcel,
            "order": order,
            "url": url if may_see else "",
            "left": time_left(order.due_at, now=by_kaspi),
            "lines": [(goods_name(line), line.quantity) for line in parcel.lines],
            "printed": printed_pill(parcel, now=now),
            "checked": check_pill(parcel.check, now=now),
            "why": pill(reason_text(parcel), MISSING_TONES[missing]) if missing else "",
            "can_assemble": missing == Missing.NOT_ASSEMBLED,
            "buttons": [] if order.is_fetched_by_kaspi else to_buyer(request, order),
        }

    return row


def to_buyer(request: HttpRequest, order: Order) -> list[Button]:
    """List the buttons with which the goods are given to the buyer."""
    return [
        ORDER_BUTTONS[slug].at("act_on_order", order.pk, is_main=False)
        for slug in ("complete", "send-code")
        if ORDER_BUTTONS[slug].is_for(request)
    ]


def goods_name(line: OrderLine) -> str:
    product_name = line.product.name if line.product else ""
    return line.name or product_name or line.sku or "—"


def printed_pill(parcel: Parcel, *, now: datetime) -> SafeString:
    waybill = parcel.waybill
    if waybill is None:
        return SafeString("")
    if waybill.printed_at is None:
        return pill(_("not printed"), Tone.WARN)
    said = f"{absolute(waybill.printed_at, now=now)} · {waybill.printed_by}"
    return two_lines(pill(_("printed"), Tone.QUIET), said)


def check_pill(check: ParcelCheck | None, *, now: datetime) -> SafeString:
    """Show whether and by whom the parcel was checked."""
    if check is None:
        return format_html('<span class="faint">{}</span>', _("not checked"))
    if check.finished_at is None:
        return two_lines(pill(_("being checked"), Tone.INFO), check.checked_by)
    said = f"{absolute(check.finished_at, now=now)} · {check.checked_by}"
    return two_lines(pill(_("checked"), Tone.GOOD), said)
