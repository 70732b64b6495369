"""The price list's work as the queue calls it."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.tasks import sync_stock
from feeds import retention
from feeds.publishing import build_price_list
from plumbing.leases import LeaseTaken


def build_feed() -> str:
    try:
        return build_price_list(now=timezone.now()).summary
    except LeaseTaken:
        return _("Another build is under way.")


def confirm_withdrawals() -> str:
    """Read stock once more: too much went to nothing at once to believe one import."""
    try:
        said = sync_stock()
    except LeaseTaken:
        # That import is the second word, and a build follows by the schedule.
        return _("Another import is under way.")
    return f"{said}; {build_feed()}"


def delete_old_fetches() -> str:
    deleted = retention.delete_old_fetches(now=timezone.now())
    retention.delete_old_proposals(now=timezone.now())
    return _("%(number)d fetches deleted") % {"number": deleted}
