"""Finds a buyer's orders, and keeps the trail of what was done with their data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from backoffice.searching import Sought
from orders.models import Buyer, BuyerRequest, Order, Step
from orders.models.order import OrderQuerySet
from orders.plan.events import record

# Kaspi would be asked something for the order, or was asked and has not answered.
ASKING = (Step.Status.PENDING, Step.Status.IN_FLIGHT, Step.Status.UNKNOWN)


def find_order(text: str) -> Order | None:
    """Find the newest order by its code or by its buyer's phone, however written."""
    sought = Sought(text)
    named = Q(code__in=sought.numbers)
    if sought.phone:
        called = Buyer.objects.filter(phone=sought.phone)
        named |= Q(pk__in=called.values("pk"))
    return Order.objects.filter(named).order_by("-created_at", "-pk").first()


def orders_of_buyer(order: Order) -> list[Order]:
    """List all orders of this order's buyer, known by the phone; the newest first.

    Without a phone, the order alone.
    """
    same = Q(pk=order.pk)
    buyer = Buyer.objects.filter(pk=order.pk).first()
    if buyer is not None and buyer.phone:
        same |= Q(pk__in=Buyer.objects.filter(phone=buyer.phone).values("pk"))
    return list(whole(Order.objects.filter(same)))


def whole(orders: OrderQuerySet) -> OrderQuerySet:
    """Have orders come with what is held of their buyers, the newest first."""
    return (
        orders.select_related("buyer")
        .prefetch_related("lines", "steps", "waybills")
        .order_by("-created_at", "-pk")
    )


def why_kept(order: Order) -> str:
    """Say why the buyer's data cannot be erased now; empty when they can."""
    if order.buyer_erased_at is not None:
        return _("erased already")
    if order.ended_at is None:
        return _(
            "the order is still under way, and could not be delivered without them"
        )
    for step in order.steps.all():
        if step.peer == Step.Peer.KASPI and step.status in ASKING:
            what = _("Kaspi is still being asked: %(what)s")
            return what % {"what": step.get_kind_display()}
    return ""


def leave_trail(
    kind: BuyerRequest.Kind, orders: Sequence[Order], *, actor: str, now: datetime
) -> None:
    """Note who did what when with which orders' data, and nothing of the data."""
    said = {
        BuyerRequest.Kind.EXPORT: _("The buyer's data were exported at their request"),
        BuyerRequest.Kind.ERASE: _("The buyer's data were erased at their request"),
    }
    BuyerRequest.objects.create(
        kind=kind,
        done_at=now,
        done_by=actor,
        orders=[order.code for order in orders],
    )
    for order in orders:
        record(order, said[kind], now=now, actor=actor)
