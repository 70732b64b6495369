"""Brings files and rows back together after an interruption at any moment."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from feeds import files
from feeds.changes import follow_changes
from feeds.listings import follow_price_list
from feeds.models import FeedBuild

logger = logging.getLogger(__name__)
Status = FeedBuild.Status


def heal(*, now: datetime) -> FeedBuild | None:
    """Finish or write off what an earlier build left, and restore the live list.

    Gives the active version when the live list is that version, byte for byte. The
    caller holds the build's lease.
    """
    files.remove_strays()
    for build in FeedBuild.objects.under_way().order_by("pk"):
        settle_interrupted(build.pk, now=now)
    files.remove_changes()
    active = FeedBuild.objects.live().first()
    if active is None or not _live_is(active):
        return None
    if not files.version_path(active.pk).exists():
        files.keep_version(files.live_path(), active.pk)
    if not files.gzip_is_paired():
        files.pair_gzip(active.pk)
    return active


def settle_interrupted(pk: int, *, now: datetime, reason: str = "") -> None:
    """Finish a publication whose list is live already; else mark it failed."""
    publishing = FeedBuild.objects.filter(pk=pk, status=Status.PUBLISHING)
    sha256 = publishing.values_list("sha256", flat=True).first()
    if sha256 and sha256 == files.sha256_of(files.live_path()):
        finish_publication(pk, now=now)
        return
    FeedBuild.objects.under_way().filter(pk=pk).update(
        status=Status.FAILED, reason=reason or _("interrupted")
    )


def finish_publication(pk: int, *, now: datetime) -> None:
    """Do the bookkeeping of a list that is live; may be repeated.

    The listings follow first and in small transactions: the row says "being
    published" until they are done, so that an interruption shows and is healed.
    """
    changes = files.changes_path(pk)
    if changes.exists():
        follow_changes(changes, now=now)
    else:
        follow_price_list(files.live_path(), now=now)
    with transaction.atomic():
        FeedBuild.objects.live().exclude(pk=pk).update(
            status=Status.ARCHIVED, pinned_until=None
        )
        FeedBuild.objects.filter(pk=pk, status=Status.PUBLISHING).update(
            status=Status.ACTIVE, published_at=now
        )
    files.remove_changes()


def _live_is(active: FeedBuild) -> bool:
    if files.sha256_of(files.live_path()) == active.sha256:
        return True
    restored = files.temporary_path("restored")
    if files.unpack_version(active.pk, restored) != active.sha256:
        restored.unlink(missing_ok=True)
        logger.error("The live price list is missing or altered, and so is its copy")
        return False
    files.put_live(restored, active.pk)
    logger.warning("The live price list was missing or altered: №%d is back", active.pk)
    return True
