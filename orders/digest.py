"""What the daily digest says of the orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _

from backoffice.formatting import grouped
from orders.admin.tabs import TABS, count_tabs
from orders.models import Finding, Order

WAITING = ("person", "accept", "reserve", "assemble", "hand_over", "returns")


def digest_of_day(*, since: datetime, until: datetime) -> Sequence[tuple[str, str]]:
    """Sum up the orders made in the span; those called off bring nothing."""
    made = Order.objects.filter(created_at__gte=since, created_at__lt=until).order_by()
    called_off = Q(status__in=Order.CALLED_OFF)
    sums = made.aggregate(
        number=Count("pk"),
        turnover=Sum("total_kzt", filter=~called_off),
        cancelled=Count("pk", filter=called_off),
        short=Count("pk", filter=Order.WAS_OUT_OF_STOCK),
    )
    cancelled = grouped(sums["cancelled"])
    if sums["short"]:
        cancelled = _("%(all)s, of these out of stock: %(short)s") % {
            "all": cancelled,
            "short": grouped(sums["short"]),
        }
    return [
        (_("Orders"), grouped(sums["number"])),
        (_("Turnover"), f"{grouped(sums['turnover'] or 0)} ₸"),
        (_("Cancelled"), cancelled),
    ]


def digest_of_now() -> Sequence[tuple[str, str]]:
    """Count what waits at this moment; what does not is left out."""
    counts = count_tabs()
    waiting = [
        (str(TABS[tab].label), grouped(counts[tab])) for tab in WAITING if counts[tab]
    ]
    if found := Finding.objects.open().count():
        waiting.append((_("Contradictions"), grouped(found)))
    return waiting
