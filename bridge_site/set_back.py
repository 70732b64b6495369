"""After the clock was set back: brings our own moments back from the future.

What was noted before lies ahead of now, and would win over whatever is seen until the
clock has come there again: an order's cancellation would pass for old news, and stock
read yesterday for fresh. All of it is moved by as much as the clock was, so that ages
and order stay.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.apps import apps
from django.db import transaction
from django.db.models import F, Max

from catalog.models import ImportRun
from orders.models import Purchase
from orders.supply.evidence import move_evidence
from plumbing.clocks import is_time_confirmed
from plumbing.models import Heartbeat
from plumbing.timekeeping import WORTH_TELLING, tell_going_back

log = logging.getLogger(__name__)

# When something was seen, read, done or sent by us.
OURS: dict[str, tuple[str, ...]] = {
    "bridge_site.CallCount": ("last_at",),
    "bridge.BackupRun": ("begun_at", "ended_at"),
    "alerts.Alert": ("opened_at", "closed_at", "acknowledged_at", "told_at"),
    "alerts.Channel": ("last_sent_at", "failing_since"),
    "alerts.Notice": ("created_at", "not_before", "sent_at", "given_up_at"),
    "catalog.Category": ("gone_at",),
    "catalog.Product": ("first_seen", "last_seen", "gone_at", "quarantined_at"),
    "catalog.ImportRun": ("started_at", "finished_at"),
    "catalog.ProductChange": ("changed_at",),
    "orders.Order": (
        *("first_seen", "last_seen", "absent_since", "ended_at"),
        *("arrived_at", "deadline_warned_at"),
    ),
    "orders.ReadMark": ("read_until", "first_read_at", "failed_at"),
    "orders.Waybill": ("fetched_at", "printed_at"),
    "orders.SupplierOrder": ("read_at",),
    "orders.Reservation": ("created_at", "held_at", "closed_at", "left_stock_at"),
    "orders.SupplierAccount": ("read_at",),
    "orders.Purchase": (
        *("created_at", "settled_at", "cleared_at", "clearing_at"),
        *("verified_at", "paused_at", "submit_ended_at", "unshown_at"),
    ),
    "orders.LearnedFact": ("learned_at", "noted_at"),
    "orders.SupplierListing": ("first_seen_at",),
    "orders.Step": ("sent_at", "created_at", "finished_at"),
    "orders.OrderEvent": ("happened_at",),
    "orders.Finding": ("raised_at", "seen_at", "closed_at"),
    "orders.ParcelCheck": ("started_at", "finished_at"),
    "feeds.FeedBuild": ("started_at", "published_at"),
    "feeds.Listing": ("first_listed_at", "withdrawn_at", "withheld_since"),
    "feeds.FeedFetch": ("fetched_at",),
    "feeds.Proposal": ("made_at", "saved_at"),
}
# Of the sign-in: whoever typed a wrong code or password while the clock was ahead would
# be kept out until it is there again.
OF_THE_SIGN_IN: dict[str, tuple[str, ...]] = {
    "axes.AccessAttempt": ("attempt_time",),
    "otp_static.StaticDevice": ("throttling_failure_timestamp",),
    "otp_totp.TOTPDevice": ("throttling_failure_timestamp",),
}
# Left as they are, each with why.
NOT_MOVED: dict[str, tuple[str, ...]] = {
    # The peers' own, or deadlines that follow from them.
    "orders.Order": (
        *("created_at", "approved_at", "planned_delivery_at", "accept_by"),
        *("arrive_by", "collect_by", "fetch_by", "hand_over_by", "handed_over_at"),
        # Marks that only have to be there.
        "buyer_erased_at",
    ),
    "orders.SupplierOrder": ("placed_at",),
    # Brought near by the rounds that wait for them.
    "orders.Step": ("not_before", "claimed_until"),
    "bridge_site.Lease": ("until",),
    "bridge_site.PeerClock": (
        *("next_at", "closed_until", "order_waits_until", "crawl_waits_until"),
        "written_at",
    ),
    "bridge_site.PeerSlot": ("until",),
    # By these the setting back is known; they come last.
    "bridge_site.Heartbeat": ("beaten_at",),
    # Told anew twice a minute.
    "bridge_site.HostPart": ("since", "seen_at"),
    # Told while it is ahead of now, too.
    "bridge_site.TimeJump": ("noticed_at",),
    "bridge_site.ClockApart": ("seen_at",),
    # Its own guard watches them.
    "bridge_site.Epoch": (
        *("wrote_at", "marked_at", "vouched_at", "begun_at", "guarded_at"),
        *("known_until", "confirmed_at", "lifted_at"),
    ),
    # Only shown, or a person's own choice.
    "bridge_site.AdjustedSetting": ("changed_at",),
    "catalog.CommissionRate": ("checked_at",),
    "catalog.Product": ("price_override_until",),
    "feeds.FeedBuild": ("pinned_until",),
    "orders.BuyerRequest": ("done_at",),
    "orders.SkuMapping": ("noted_at",),
    "bridge.TemporaryPassword": ("given_at",),
    "bridge.FirstDayClosed": ("closed_at",),
}
# Further back, a peer is asked first.
MOVED_UNASKED = timedelta(days=2)
# Some part beats at least this often.
BEATS_APART = timedelta(minutes=20)
# Those before it were settled long ago.
PURCHASES_LOOKED_AT = 50


def bring_moments_back(*, now: datetime) -> timedelta:
    """Move what lies in the future; returns by how much, zero when nothing does.

    By days only when a peer says that the clock is right now. A computer whose battery
    is empty starts in another year until it hears of the time: moved there, all that
    was ever noted would be old enough to be deleted when it has.
    """
    beat = Heartbeat.objects.aggregate(newest=Max("beaten_at"))["newest"]
    # Beats are written anew within minutes, also while nothing may be moved.
    begun = ImportRun.objects.aggregate(newest=Max("started_at"))["newest"]
    newest = max(filter(None, (beat, begun)), default=now)
    if newest <= now + WORTH_TELLING:
        return timedelta(0)
    by = _newest_moment(newest) - now
    if by > MOVED_UNASKED and not is_time_confirmed(now=now):
        tell_going_back(by, now=now)
        return timedelta(0)
    log.error("the clock was set back by %s: what was noted since is moved too", by)
    with transaction.atomic():
        for label, fields in (OURS | OF_THE_SIGN_IN).items():
            rows = apps.get_model(label)._default_manager
            for field in fields:
                ahead = rows.filter(**{f"{field}__gt": now + WORTH_TELLING})
                ahead.update(**{field: F(field) - by})
        for purchase in Purchase.objects.order_by("-pk")[:PURCHASES_LOOKED_AT]:
            move_evidence(purchase, by=-by, which=lambda at: at > now + WORTH_TELLING)
        # No part is called silent before it had the time to beat.
        Heartbeat.objects.filter(beaten_at__gt=now).update(beaten_at=now)
    return by


def _newest_moment(beat: datetime) -> datetime:
    """Give the latest moment noted: the last beat, or what was read just after it."""
    newest = beat
    for label, field in (
        ("orders.Order", "last_seen"),
        ("orders.ReadMark", "read_until"),
    ):
        rows = apps.get_model(label)._default_manager
        near = rows.filter(**{f"{field}__range": (beat, beat + BEATS_APART)})
        newest = max(newest, near.aggregate(newest=Max(field))["newest"] or beat)
    return newest
