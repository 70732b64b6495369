"""Keeps the evidence of a purchase as old as it is, whatever the clock does.

A clock set ahead would make a submit seem over that is still at work, and the cart
would be submitted again beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from orders.models import Purchase, SupplierListing
from plumbing.timekeeping import TimeWatch

EVIDENCE = ("submits", "submit_ended_at", "cart_since", "watched")


def move_evidence(
    purchase: Purchase, *, by: timedelta, which: Callable[[datetime], bool]
) -> None:
    """Move the moments for which `which` is true, all alike."""

    def moved(moment: str) -> str:
        at = datetime.fromisoformat(moment)
        return (at + by).isoformat() if which(at) else moment

    values: dict[str, Any] = {
        "submits": [moved(moment) for moment in purchase.submits],
        "cart_since": [{**s, "at": moved(s["at"])} for s in purchase.cart_since],
        "watched": [{**seen, "at": moved(seen["at"])} for seen in purchase.watched],
    }
    if any(getattr(purchase, name) != value for name, value in values.items()):
        Purchase.objects.filter(pk=purchase.pk).update(**values)


def keep_ages(jumped: timedelta, now: datetime) -> None:
    """After a jump ahead, move along what unsettled purchases noted before it.

    After one back, whatever lies in the future is moved (`bridge_site.set_back`).
    """
    unsettled = list(Purchase.objects.unsettled())
    if jumped <= timedelta(0) or not unsettled:
        return
    before = now - jumped
    # What was listed since the first of their submits was not there before it.
    since = min(each.first_submit_at or each.created_at for each in unsettled)
    listed = SupplierListing.objects.filter(first_seen_at__range=(since, before))
    with transaction.atomic():
        listed.update(first_seen_at=F("first_seen_at") + jumped)
        pks = [purchase.pk for purchase in unsettled]
        ended = Purchase.objects.filter(pk__in=pks, submit_ended_at__lte=before)
        ended.update(submit_ended_at=F("submit_ended_at") + jumped)
        for purchase in unsettled:
            move_evidence(purchase, by=jumped, which=lambda at: at <= before)


def reread_evidence(purchase: Purchase) -> None:
    """Look whether the clock was set, and read the moments as they are then."""
    WATCH.look_again()
    purchase.refresh_from_db(fields=EVIDENCE)


# Of this process: looked at by the part that runs the dispatchers.
WATCH = TimeWatch(then=keep_ages)
