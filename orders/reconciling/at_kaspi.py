"""What Kaspi's lists have and nobody here knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from orders.clients import Clients
from orders.kaspi.client import KaspiClient
from orders.kaspi.listing import SKEW, WINDOW, read_list
from orders.kaspi.schema import KaspiOrder
from orders.kaspi.words import said
from orders.models import Finding, Order, ReadMark
from orders.reconciling.contradictions import Contradiction
from plumbing.leases import LeaseHandle, database_now

AT_KASPI = (Finding.Kind.NOT_TAKEN_IN,)
# The poll takes in what is younger by itself.
TAKEN_IN_WITHIN = timedelta(minutes=30)


def found_at_kaspi(
    clients: Clients, lease: LeaseHandle, now: datetime
) -> Iterator[Contradiction]:
    """Orders that Kaspi shows and no row of ours has."""
    first = ReadMark.objects.first_read_at()
    if first is None:
        return
    for state in Order.STATES:
        for seen in _listed_at_kaspi(clients.kaspi, lease, state, now=now):
            created = seen.created_at
            is_young = created is not None and created > now - TAKEN_IN_WITHIN
            has_ended = Order(state=seen.state, status=seen.status).has_ended
            # What had ended before the bridge began to read was left out on purpose.
            is_old = has_ended and (created is None or created < first)
            if is_young or is_old:
                continue
            text = _(
                "Kaspi shows order %(code)s (%(state)s, %(status)s), which the bridge "
                "never took in: look at the readings of orders"
            )
            figures = {
                "code": seen.code,
                "state": said(seen.state),
                "status": said(seen.status),
            }
            yield Contradiction(
                kind=Finding.Kind.NOT_TAKEN_IN,
                subject=f"Kaspi {seen.code}",
                text=text % figures,
                facts={"code": seen.code},
            )


def _listed_at_kaspi(
    kaspi: KaspiClient, lease: LeaseHandle, state: str, *, now: datetime
) -> list[KaspiOrder]:
    """Read the orders of a section that no row of ours has."""
    unknown: list[KaspiOrder] = []
    until = now + SKEW
    for batch in read_list(
        kaspi, state, since=until - WINDOW, until=until, moment=database_now
    ):
        lease.confirm()
        ids = [order.id for order in batch.orders]
        codes = [order.code for order in batch.orders]
        known = {
            *Order.objects.filter(kaspi_id__in=ids).values_list("kaspi_id", flat=True),
            *Order.objects.filter(code__in=codes).values_list("code", flat=True),
        }
        unknown += [
            o for o in batch.orders if o.id not in known and o.code not in known
        ]
    return unknown
