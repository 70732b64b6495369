"""Forgets old versions and old fetches."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from django.conf import settings

from backoffice.histories import forget_old
from feeds import carrying, files
from feeds.models import FeedBuild, FeedFetch, Proposal, Store
from plumbing.clocks import doubt_of_time

Status = FeedBuild.Status
UNCHANGED_KEPT = timedelta(days=1)
BUILDS_KEPT = timedelta(days=90)
FETCHES_KEPT = timedelta(days=90)
PROPOSALS_KEPT = timedelta(days=7)


def delete_old_builds(*, now: datetime) -> None:
    """Keep the newest versions' files and diffs, and the rows of three months."""
    builds = FeedBuild.objects
    # By a clock that is ahead for one build all earlier versions would go.
    if not doubt_of_time(now=now):
        _delete_old_rows(now=now)
    kept = _newest(settings.FEED_KEPT_VERSIONS)
    _delete_files_but(kept)
    carrying.forget_all_but(_newest(carrying.KEPT))
    builds.filter(status=Status.ARCHIVED).exclude(pk__in=kept).exclude(diff={}).update(
        diff={}
    )


def _delete_old_rows(*, now: datetime) -> None:
    builds = FeedBuild.objects
    builds.filter(status=Status.UNCHANGED, started_at__lt=now - UNCHANGED_KEPT).delete()
    ended = [Status.ARCHIVED, Status.REFUSED, Status.FAILED]
    builds.filter(status__in=ended, started_at__lt=now - BUILDS_KEPT).delete()


def delete_old_files() -> None:
    """Keep on this host the files of the newest versions, whoever built them."""
    _delete_files_but(_newest(settings.FEED_KEPT_VERSIONS))


def _newest(number: int) -> set[int]:
    """Give the newest versions, and what is just being published."""
    builds = FeedBuild.objects
    versions = builds.filter(status__in=[Status.ACTIVE, Status.ARCHIVED])
    # By their numbers: a clock that was ahead dates earlier ones later than the live.
    newest = versions.order_by("-pk").values_list("pk", flat=True)
    # What was put back is written again, with the stock of the day, while it is pinned.
    put_back = builds.live().values_list("counts__put_back", flat=True)
    under_way = builds.under_way().values_list("pk", flat=True)
    return {*newest[:number], *put_back, *under_way} - {None}


def _delete_files_but(kept: set[int]) -> None:
    names = {str(pk) for pk in kept}
    for path in files.version_path(0).parent.glob("*.xml.gz"):
        if path.name.removesuffix(".xml.gz") not in names:
            # Windows keeps a file that is being downloaded; a later build removes it.
            with contextlib.suppress(OSError):
                path.unlink()


def delete_old_fetches(*, now: datetime) -> int:
    """Delete fetches older than three months and say how many."""
    deleted, _each = FeedFetch.objects.filter(
        fetched_at__lt=now - FETCHES_KEPT
    ).delete()
    return deleted


def delete_old_proposals(*, now: datetime) -> int:
    """Delete what nobody comes back to, and points' former states; say how many."""
    forget_old(Store, before=now - timedelta(days=settings.HISTORY_KEPT_DAYS))
    old = Proposal.objects.filter(made_at__lt=now - PROPOSALS_KEPT)
    deleted, _each = old.delete()
    return deleted
