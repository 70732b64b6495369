"""The price list's work as the queue calls it."""

from __future__ import annotations

import logging
import time
from datetime import datetime

from django.utils.translation import gettext as _

from catalog.availability import stock_is_stale
from catalog.importing import stock_failed_lately
from catalog.tasks import sync_stock
from feeds import retention
from feeds.models import Listing
from feeds.publishing import build_price_list
from plumbing.clocks import when_time_is_sure
from plumbing.leases import LeaseTaken, database_now

log = logging.getLogger(__name__)

# Longer than the lease of a killed build or import lives.
PATIENCE_S = 120


def build_feed() -> str:
    _read_stock_unless_fresh()
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return build_price_list(now=database_now()).summary
        except LeaseTaken:
            # It may have read the goods before what asked for this one came.
            if time.monotonic() > give_up:
                return _("Another build is under way.")
            time.sleep(0.5)


def _read_stock_unless_fresh() -> None:
    """Read stock before all goods go off sale, unless nobody can.

    After a sleep, or when the clock was set ahead, it was not asked for yet: that takes
    seconds, and an emptied list stands for an hour.
    """
    give_up = time.monotonic() + PATIENCE_S
    while _would_empty(now=database_now()) and time.monotonic() < give_up:
        try:
            sync_stock()
        except LeaseTaken:
            # An import that is under way will do.
            time.sleep(0.5)
        except Exception:
            log.exception("stock could not be read before the list is built")
            return


def _would_empty(*, now: datetime) -> bool:
    """Tell whether all goods would go off sale though Al-Style may well answer."""
    return (
        stock_is_stale(now=now)
        and Listing.objects.on_sale().exists()
        and not stock_failed_lately(now=now)
    )


def confirm_withdrawals() -> str:
    """Read stock once more: too much went to nothing at once to believe one import."""
    try:
        said = sync_stock()
    except LeaseTaken:
        # That import is the second word, and a build follows by the schedule.
        return _("Another import is under way.")
    return f"{said}; {build_feed()}"


@when_time_is_sure
def delete_old_fetches() -> str:
    deleted = retention.delete_old_fetches(now=database_now())
    retention.delete_old_proposals(now=database_now())
    return _("%(number)d fetches deleted") % {"number": deleted}
