"""Erases what is held of a buyer, at the buyer's request, and has it stay erased."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from orders.erasures import erased_ids, note_erased
from orders.forgetting import forget_buyers
from orders.models import BuyerRequest, Order
from orders.personal.requests import leave_trail, why_kept
from plumbing.leases import database_now
from plumbing.wiping import overwriting

log = logging.getLogger(__name__)

AT_ONCE = 200


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
    try:
        note_erased(order.kaspi_id for order in erased)
    except OSError:
        # It is tried again every hour.
        log.exception("the list of erased buyers' orders cannot be written")
    return Erased(orders=erased, kept=kept)


def note_all_erased() -> int:
    """Add to the list outside the database what the database knows of erasings.

    Raises `OSError`.
    """
    erased = Order.objects.filter(buyer_erased_at__isnull=False)
    return note_erased(erased.values_list("kaspi_id", flat=True))


def erase_again(*, now: datetime | None = None) -> int:
    """Erase the buyers whom a restored database has brought back; leaves a trail.

    They are gone at their own request: nothing of theirs is needed for any order.
    """
    ids = sorted(erased_ids())
    erased = 0
    for start in range(0, len(ids), AT_ONCE):
        some = Order.objects.filter(kaspi_id__in=ids[start : start + AT_ONCE])
        if not some.filter(buyer_erased_at=None).exists():
            continue
        with overwriting(), transaction.atomic():
            back = list(some.select_for_update().filter(buyer_erased_at=None))
            moment = now or database_now()
            forget_buyers([order.pk for order in back], now=moment, on_request=True)
            leave_trail(BuyerRequest.Kind.ERASE, back, actor="bridge", now=moment)
        erased += len(back)
    return erased
