"""Reconciles from both peers' lists: what they have and nobody here knows."""

from __future__ import annotations

from datetime import datetime

from orders.clients import Clients
from orders.models import Finding
from orders.reconciling.at_alstyle import AT_ALSTYLE, found_at_alstyle
from orders.reconciling.at_kaspi import AT_KASPI, found_at_kaspi
from orders.reconciling.raising import Reconciled, keep, not_accepted
from plumbing.leases import database_now, under_lease
from plumbing.peers import PeerError

LEASE = "reconcile-peers"


def reconcile_with_peers(
    clients: Clients, *, now: datetime, dry_run: bool = False
) -> Reconciled:
    """Read both peers' lists at crawl priority and compare them with our rows.

    A peer that cannot be read keeps its findings as they are. Raises `PeerError` when
    neither could be read, `LeaseTaken` when a run is under way.
    """
    result, failures = Reconciled(), list[PeerError]()
    with under_lease(LEASE) as lease:
        for kinds, read in (
            (AT_ALSTYLE, found_at_alstyle),
            (AT_KASPI, found_at_kaspi),
        ):
            try:
                found = list(read(clients, lease, now))
            except PeerError as error:
                failures.append(error)
                result.failures.append(str(error))
                continue
            if dry_run:
                result.tell(not_accepted(found))
                continue
            lease.confirm()
            among = Finding.objects.filter(kind__in=kinds)
            keep(found, among=among, now=database_now(), result=result)
    if len(failures) > 1:
        raise failures[0]
    return result
