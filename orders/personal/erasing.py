"""Erases what is held of a buyer, at the buyer's request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from orders.forgetting import forget_buyers
from orders.models import BuyerRequest, Order
from orders.personal.requests import leave_trail, why_kept
from plumbing.wiping import overwriting


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The orders whose buyers are forgotten; `kept`: the others, each with why."""

    orders: list[Order]
    kept: list[tuple[Order, str]]


def erase(orders: Iterable[int], *, actor: str, now: datetime) -> Erased:
    """Erase the buyers' data of these orders, as far as the orders are over."""
    with overwriting(), transaction.atomic():
        # Under the lock of each: a reading that saves it just now comes first or
        # finds the mark.
        rows = Order.objects.select_for_update().filter(pk__in=set(orders))
        erased, kept = [], []
        for order in rows.order_by("pk").prefetch_related("steps"):
            why = why_kept(order)
            if why:
                kept.append((order, why))
            else:
                erased.append(order)
        forget_buyers([order.pk for order in erased], now=now, on_request=True)
        if erased:
            leave_trail(BuyerRequest.Kind.ERASE, erased, actor=actor, now=now)
    return Erased(orders=erased, kept=kept)
