"""What the page of an order shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import (
    NOTHING,
    figure,
    gain,
    grouped,
    money,
    percents,
    stock_text,
    when,
)
from backoffice.pages import Button
from catalog.rules import load_rules
from orders.admin.buttons import LINE_BUTTONS, STEP_BUTTONS, offered
from orders.admin.buyers import buyer_rows
from orders.admin.deciding import cards, links_of
from orders.admin.full_order import FullOrder
from orders.admin.handover import may_print
from orders.admin.moments import Moments, read_moments
from orders.admin.profit import Profit, margin_of_line, profit_of
from orders.admin.situation import (
    purchase_pill,
    raw_words,
    reservation_pill,
    sees_money,
    situation_pill,
    step_pill,
    supplier_pill,
    time_left,
    without_sums,
)
from orders.kaspi.words import said
from orders.models import (
    Order,
    OrderEvent,
    OrderLine,
    Purchase,
    Step,
    SupplierOrder,
)
from orders.money.lines import line_total
from orders.plan.events import BRIDGE
from plumbing.redaction import redact

EVENTS_SHOWN = 200
# The buyer's code opens the parcel: nobody needs to read it again.
NEVER_SHOWN = {"code", "security_code"}


def page_panels(
    request: HttpRequest, full: FullOrder, *, now: datetime
) -> dict[str, Any]:
    order = full.order
    book = load_rules()
    profit = profit_of(full, book=book)
    is_told = sees_money(request)
    moments = read_moments(now=now)
    return {
        "due_left": time_left(order.due_at, now=moments.by_kaspi),
        "situation": situation_pill(order),
        "raw_words": raw_words(order),
        "reservation_pill": reservation_pill(full.reservation),
        "total": money(order.total_kzt),
        "problem": problem_not_told(full),
        "stuck": cards(request, full, book=book, moments=moments),
        "outside": links_of(full),
        "line_rows": list(line_rows(request, full, profit)),
        "supply_rows": supply_rows(full, now=now, is_told=is_told),
        "supplied_lines": supplied_lines(full.supplier_order) if is_told else [],
        "sees_money": is_told,
        "profit_rows": profit.rows(),
        "profit_total": gain(profit.total),
        "profit_percent": percents(profit.percent),
        "is_below_margin": profit.is_below,
        "delivery_rows": delivery_rows(order, moments=moments),
        "buyer_rows": buyer_rows(request, order),
        "answers_buyers": request.user.has_perm("orders.answer_buyer"),
        "waybills": [
            (w.number or NOTHING, reverse("admin:order_waybill", args=[w.pk]))
            for w in full.waybills
        ],
        "may_print": may_print(request),
        "is_under_way": any(is_due_now(step, now=now) for step in full.steps),
        "step_rows": [
            step_row(request, full, step, now=now) for step in reversed(full.steps)
        ],
        "purchase_rows": purchase_rows(full, now=now),
        **history_panels(request, order, now=now),
    }


def is_due_now(step: Step, *, now: datetime) -> bool:
    """Tell whether a worker is at the step or about to be."""
    if step.status == Step.Status.IN_FLIGHT:
        return True
    waits = step.status in (Step.Status.PENDING, Step.Status.UNKNOWN)
    return waits and step.not_before <= now


def step_buttons(request: HttpRequest, full: FullOrder, step: Step) -> list[Button]:
    return [
        button.at("act_on_step", step.pk, is_main=False)
        for button in offered(request, STEP_BUTTONS, full, step)
    ]


def problem_not_told(full: FullOrder) -> str:
    """Give what is unclear about the order, unless a stuck step says so already."""
    problem = full.order.problem
    told = any(problem in step.last_error for step in full.stuck)
    return "" if told else redact(problem)


def purchase_link(purchase: Purchase) -> SafeString:
    url = reverse("admin:orders_purchase_change", args=[purchase.pk])
    return format_html('<a class="num" href="{}">№{}</a>', url, purchase.pk)


def purchase_rows(full: FullOrder, *, now: datetime) -> list[dict[str, object]]:
    """Give the order's purchases, the newest first."""
    return [
        {
            "link": purchase_link(purchase),
            "pill": purchase_pill(purchase),
            "begun": when(purchase.created_at, now=now),
            "supplied": purchase.supplier_order
            and supplier_link(purchase.supplier_order),
            "reason": redact(purchase.reason),
        }
        for purchase in full.purchases
    ]


def line_rows(
    request: HttpRequest, full: FullOrder, profit: Profit
) -> Iterator[dict[str, Any]]:
    sees_goods = request.user.has_perm("catalog.view_product")
    for line in full.lines:
        product = line.product
        yield {
            "line": line,
            "product_url": product
            and sees_goods
            and reverse("admin:catalog_product_change", args=[product.pk]),
            "stock": _stock(line),
            "quantity": figure(line.quantity),
            "price": money(line.price_kzt),
            "total": money(line_total(line)),
            "cost": money(product.cost_kzt if product else None),
            "margin": gain(margin_of_line(profit, line)),
            "imei_is_told": any(
                step.parameters.get("entry_id") == line.entry_id
                for step in full.steps
                if step.kind == Step.Kind.IMEI and step.status == Step.Status.DONE
            ),
            "buttons": [
                button.at("act_on_line", line.pk, is_main=not button.is_danger)
                for button in offered(request, LINE_BUTTONS, full, line)
            ],
        }


def _stock(line: OrderLine) -> SafeString:
    product = line.product
    if product is None:
        return figure(None)
    shown = stock_text(product.stock, is_lower_bound=product.stock_is_lower_bound)
    is_short = not product.stock_is_lower_bound and product.stock < (line.quantity or 0)
    tone = "num faint" if is_short else "num"
    return format_html('<span class="{}">{}</span>', tone, shown)


def supply_rows(
    full: FullOrder, *, now: datetime, is_told: bool
) -> list[tuple[str, object]]:
    """Tell of the goods at Al-Style; `is_told`: what they cost, and their order."""
    reservation = full.reservation
    if reservation is None:
        return []
    rows: list[tuple[str, object]] = []
    if is_told:
        rows.append((_("cost"), money(reservation.cost_kzt)))
    supplied = reservation.supplier_order
    if supplied is not None and is_told:
        rows += [
            (_("order at Al-Style"), supplier_link(supplied)),
            (_("its status"), supplier_pill(supplied)),
            (_("last read"), when(supplied.read_at, now=now)),
        ]
        if supplied.merged_into is not None:
            rows.append((_("merged into"), supplier_link(supplied.merged_into)))
    if reservation.held_at:
        rows.append((_("held since"), when(reservation.held_at, now=now)))
    if reservation.closed_at:
        rows.append((_("closed"), when(reservation.closed_at, now=now)))
    return rows


def supplier_link(supplied: SupplierOrder) -> SafeString:
    url = reverse("admin:orders_supplierorder_change", args=[supplied.pk])
    return format_html('<a class="num" href="{}">№{}</a>', url, supplied)


def supplied_lines(
    supplied: SupplierOrder | None,
) -> list[tuple[str, SafeString, SafeString]]:
    """Give article, pieces and price of each line."""
    rows = []
    for line in (supplied and supplied.lines) or []:
        article, quantity, price = [*line, None, None][:3]
        rows.append((str(article), figure(quantity), money(price)))
    return rows


def delivery_rows(order: Order, *, moments: Moments) -> list[tuple[str, object]]:
    """Tell how the order gets to the buyer, leaving out what is not known.

    The moments are those of Kaspi's clock.
    """
    marks = (
        (order.is_express, _("express")),
        (order.is_preorder, _("pre-order")),
        (order.needs_signature, _("credit to sign")),
        (order.is_kaspi_delivery, _("Kaspi delivers")),
    )
    rows: list[tuple[str, object]] = [
        (_("delivery"), ", ".join(text for is_so, text in marks if is_so)),
        (_("method"), said(order.delivery_mode)),
        (_("payment"), said(order.payment_mode)),
        (_("point of sale"), order.pickup_point),
        (_("waybill"), order.waybill_number),
        (_("reason of cancellation"), said(order.cancellation_reason)),
    ]
    rows += [
        (label, when(moment, now=moments.by_kaspi))
        for label, moment in (
            (_("created"), order.created_at),
            (_("accept by"), order.accept_by if order.awaits_accept else None),
            (_("hand over by"), order.hand_over_by),
            (_("goods arrive by"), order.arrive_by if order.awaits_arrival else None),
            (_("goods arrived"), order.arrived_at),
            (_("buyer collects by"), order.collect_by),
            (_("handed over"), order.handed_over_at),
            (_("fetch back by"), order.fetch_by),
            (_("delivery planned"), order.planned_delivery_at),
            (_("ended"), order.ended_at),
        )
        if moment
    ]
    rows.append((_("read from Kaspi"), when(order.last_seen, now=moments.now)))
    return [(label, value) for label, value in rows if value]


def step_row(
    request: HttpRequest, full: FullOrder, step: Step, *, now: datetime
) -> dict[str, Any]:
    told = (
        (_("asked for"), step.parameters),
        (_("sent"), step.sent),
        (_("answered"), step.answered),
    )
    is_told = sees_money(request)
    error = redact(step.last_error)
    return {
        "step": step,
        "pill": step_pill(step),
        "attempts": figure(step.attempts),
        "moment": when(step.finished_at or step.not_before, now=now),
        "error": error if is_told else without_sums(error),
        "told": [(name, list(readable(v))) for name, v in told if v and is_told],
        # A stuck step has its buttons at the top of the page.
        "buttons": [] if step.is_stuck else step_buttons(request, full, step),
    }


def readable(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """List what was sent or answered as names and values, without secrets."""
    names = {
        "phase": _("phase"),
        "lines": _("lines"),
        "sum": _("sum, ₸"),
        "reference": _("reference"),
        "supplier_order_id": _("order at Al-Style"),
        "is_stock": _("for want of goods"),
        "reason": _("reason"),
        "comment": _("comment"),
        "places": _("places"),
        "kind": _("kind"),
        "cost_kzt": _("cost, ₸"),
        "accept_cost_kzt": _("buy for at most, ₸"),
        "adopted": _("found afterwards"),
        "candidates": _("orders that may be it"),
        "supervised": _("watched up to"),
        "dropped_by": _("dropped by"),
    }
    for key, value in told.items():
        shown = "***" if key in NEVER_SHOWN else redact(_value_words(value))
        yield names.get(key, key), shown


def _value_words(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return grouped(value)
    if isinstance(value, list):
        if not any(isinstance(item, list | dict) for item in value):
            # ["70311", 2, 1420]: article, pieces, price.
            return " × ".join(str(part) for part in value)
        return "; ".join(_value_words(item) for item in value)
    if isinstance(value, dict):
        pairs = (f"{name}: {shown}" for name, shown in readable(value))
        return ", ".join(pairs)
    return NOTHING if value in (None, "") else str(value)


def log_marks(event: OrderEvent) -> str:
    """Name the request or task and the step as the log's lines bear them."""
    step = f"step={event.step_id}" if event.step_id else ""
    return " ".join(filter(None, [event.trace, step]))


def history_panels(
    request: HttpRequest, order: Order, *, now: datetime
) -> dict[str, Any]:
    """Show what happened; to whoever sees the steps, also where the log tells more."""
    newest = OrderEvent.objects.filter(order=order).order_by("-pk")
    is_told = sees_money(request)
    events = [
        {
            "when": when(event.happened_at, now=now),
            "actor": _("bridge") if event.actor == BRIDGE else event.actor,
            "text": redact(event.text if is_told else without_sums(event.text)),
            "log": log_marks(event),
        }
        for event in newest[:EVENTS_SHOWN]
    ]
    sees_log = request.user.has_perm("orders.view_step")
    return {
        "event_rows": events,
        "logged_rows": [row for row in events if row["log"]] if sees_log else [],
    }
