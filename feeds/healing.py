"""Brings files and rows back together after an interruption at any moment."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from catalog.availability import figures_are_stale
from feeds import carrying, files
from feeds.changes import follow_changes
from feeds.listings import follow_price_list
from feeds.models import FeedBuild
from plumbing.leases import database_now

logger = logging.getLogger(__name__)
# Raises when another process does this work by now.
Confirm = Callable[[], object]
Status = FeedBuild.Status


def heal(*, now: datetime, confirm: Confirm) -> FeedBuild | None:
    """Finish or write off what an earlier build left, and restore the live list.

    Gives the active version when the live list is that version, byte for byte. The
    caller holds the build's lease, and `confirm` raises when he does no longer.
    """
    with files.alone():
        files.remove_strays()
    for build in FeedBuild.objects.under_way().order_by("pk"):
        settle_interrupted(build.pk, now=now, confirm=confirm)
    files.remove_changes()
    active = FeedBuild.objects.live().first()
    if active is None:
        return None
    with files.alone():
        if not _live_is(active, now=now):
            return None
        if not files.version_path(active.pk).exists():
            files.keep_version(files.live_path(), active.pk)
        if not files.gzip_is_paired():
            files.pair_gzip(active.pk)
    # Not there when the database was moved here, or written by an older release.
    carrying.hand_over_once(active.pk)
    return active


def keep_up() -> bool:
    """Let this host's live list be the one in force, whichever host built it.

    Returns whether it had to be replaced. What is just being published here stays:
    it is in force as soon as the listings have followed.
    """
    if not _is_behind():
        return False
    with files.alone():
        # Nobody changes the file from here on; perhaps somebody has.
        if not _is_behind():
            return False
        active = FeedBuild.objects.live().first()
        return active is not None and _live_is(active, now=database_now())


def _is_behind() -> bool:
    """Tell whether a list is in force and this host gives out another, or half."""
    # The file first: whoever puts a new one in place has announced it before.
    here, is_paired = files.live_sha256(), files.gzip_is_paired()
    announced = FeedBuild.objects.filter(status__in=(Status.ACTIVE, Status.PUBLISHING))
    found = dict(announced.values_list("status", "sha256"))
    if Status.ACTIVE not in found or found.get(Status.PUBLISHING) == here:
        return False
    return found[Status.ACTIVE] != here or not is_paired


def settle_interrupted(
    pk: int, *, now: datetime, confirm: Confirm, reason: str = ""
) -> None:
    """Finish a publication whose list is live already, or is in the database.

    Else mark it failed.
    """
    publishing = FeedBuild.objects.filter(pk=pk, status=Status.PUBLISHING).first()
    if publishing is not None and _is_live_or_can_be(publishing, now=now):
        finish_publication(pk, now=now, confirm=confirm)
        return
    FeedBuild.objects.under_way().filter(pk=pk).update(
        status=Status.FAILED, reason=reason or _("interrupted")
    )


def _is_live_or_can_be(publishing: FeedBuild, *, now: datetime) -> bool:
    """Tell whether the list is live here; another host's that stopped becomes so.

    It may be live there: to go on is the one way that is right for both.
    """
    if publishing.sha256 == files.live_sha256():
        return bool(publishing.sha256)
    if not carrying.is_handed_over(publishing.pk):
        return False
    try:
        with files.alone():
            return _live_is(publishing, now=now)
    except OSError as error:
        logger.warning("№%d cannot be published here: %s", publishing.pk, error)
        return False


def finish_publication(pk: int, *, now: datetime, confirm: Confirm) -> None:
    """Do the bookkeeping of a list that is live; may be repeated.

    The listings follow first and in small transactions: the row says "being
    published" until they are done, so that an interruption shows and is healed. Each
    is the lease holder's: one that slept too long stops here.
    """
    changes = files.changes_path(pk)
    if changes.exists():
        follow_changes(changes, now=now, confirm=confirm)
    else:
        follow_price_list(files.live_path(), now=now, confirm=confirm)
    with transaction.atomic():
        confirm()
        FeedBuild.objects.live().exclude(pk=pk).update(
            status=Status.ARCHIVED, pinned_until=None
        )
        FeedBuild.objects.filter(pk=pk, status=Status.PUBLISHING).update(
            status=Status.ACTIVE, published_at=now
        )
    files.remove_changes()


def _live_is(build: FeedBuild, *, now: datetime) -> bool:
    """Make the live list that version unless it is; nobody else changes it meanwhile.

    From the copy that this host keeps, or the database's. A later list stays.
    """
    if files.live_sha256() == build.sha256:
        if not files.gzip_is_paired() and files.version_path(build.pk).exists():
            files.pair_gzip(build.pk)
        return True
    if _is_of_former_life(build, now=now):
        return False
    restored = files.temporary_path(f"restored-{os.getpid()}")
    if not carrying.unpack(build, restored):
        restored.unlink(missing_ok=True)
        logger.error("The live price list is missing or altered, and so is its copy")
        return False
    # The same time on every host, whichever a reader asks next.
    modified_s = build.modified_s if carrying.is_needed() else None
    files.put_live(restored, build.pk, modified_s=modified_s)
    logger.warning("№%d is the live price list of this host (again)", build.pk)
    return True


def _is_of_former_life(build: FeedBuild, *, now: datetime) -> bool:
    """Tell whether that version is old stock, and the live list a later one.

    So it is when the database was restored from a backup: the next build decides by
    fresh figures what may be sold, and until then nothing comes back on sale.
    """
    confirmed = FeedBuild.objects.filter(Q(pk=build.pk) | Q(status=Status.UNCHANGED))
    newest = confirmed.aggregate(newest=Max("started_at"))["newest"]
    return (
        figures_are_stale(newest, now=now)
        and build.modified_s is not None
        and files.live_is_later_than(build.modified_s)
    )
