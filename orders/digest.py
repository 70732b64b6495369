"""What the daily digest says of the orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from backoffice.dashboard import DigestLine
from backoffice.formatting import grouped
from orders.admin.tabs import TABS, count_tabs
from orders.models import Booking, Finding, Order

WAITING = ("person", "accept", "reserve", "assemble", "hand_over", "returns")


def digest_of_day(*, since: datetime, until: datetime) -> Iterator[DigestLine]:
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
    yield DigestLine(label=_("Orders"), value=grouped(sums["number"]))
    yield DigestLine(label=_("Turnover"), value=_tenge(sums["turnover"] or 0))
    yield DigestLine(label=_("Cancelled"), value=cancelled)
    yield from _earned(since=since)


def _earned(*, since: datetime) -> Iterator[DigestLine]:
    """Sum up what was booked on the span's day: sales completed, and returns."""
    day = timezone.localdate(since)
    sums = (
        Booking.objects.booked()
        .filter(day=day)
        .order_by()
        .aggregate(
            revenue=Sum("revenue_kzt"),
            profit=Sum("profit_kzt"),
            unknown=Count("order", filter=Q(profit_kzt=None), distinct=True),
        )
    )
    if sums["revenue"] is None:
        return
    profit = _tenge(sums["profit"] or 0)
    if sums["unknown"]:
        profit = _("%(profit)s, without orders whose cost is not known: %(n)s") % {
            "profit": profit,
            "n": grouped(sums["unknown"]),
        }
    revenue = _tenge(sums["revenue"])
    yield DigestLine(label=_("Completed, revenue"), value=revenue, is_owners=True)
    yield DigestLine(label=_("Profit"), value=profit, is_owners=True)


def digest_of_now() -> Iterator[DigestLine]:
    """Count what waits at this moment; what does not is left out."""
    counts = count_tabs()
    for tab in WAITING:
        if counts[tab]:
            yield DigestLine(label=str(TABS[tab].label), value=grouped(counts[tab]))
    if found := Finding.objects.open().count():
        yield DigestLine(label=_("Contradictions"), value=grouped(found))


def _tenge(value: int) -> str:
    return f"{grouped(value)} ₸"
