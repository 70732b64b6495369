"""The price list's work as the queue calls it."""

from __future__ import annotations

import logging
import time

from django.utils.translation import gettext as _

from catalog.availability import stock_is_stale
from catalog.import_runs import ImportFailed
from catalog.tasks import sync_stock
from feeds import retention
from feeds.publishing import build_price_list
from plumbing.clocks import when_time_is_sure
from plumbing.leases import LeaseTaken, database_now
from plumbing.timekeeping import ClockSteps

log = logging.getLogger(__name__)

# Of this process, which makes one list after the other.
STEPS = ClockSteps()
# Longer than the lease of a killed build lives.
PATIENCE_S = 120


def build_feed() -> str:
    if STEPS.look() and stock_is_stale(now=database_now()):
        # Whether it was set or time has passed, only a reading tells how old the stock
        # is; without one all goods would go off sale for a list.
        try:
            sync_stock()
        except LeaseTaken:
            # By that import the next build goes.
            return _("Another import is under way.")
        except ImportFailed as error:
            log.warning("%s", error)
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return build_price_list(now=database_now()).summary
        except LeaseTaken:
            # It may have read the goods before what asked for this one came.
            if time.monotonic() > give_up:
                return _("Another build is under way.")
            time.sleep(0.5)


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
