"""Tells whether a list would be the same again, without deciding or writing it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, zip_longest

from feeds.digesting import AT_ONCE, digest_of
from feeds.drafting import city_prices_of, digest_of_terms, read_points
from feeds.models import FeedBuild, Listing
from feeds.offers import (
    ProductRow,
    left_behind_rows,
    product_tuples,
    read_terms,
    streaming,
)

# A list is decided and written whole so often, whatever is found to be the same.
WHOLE_EVERY = timedelta(hours=6)
WAS_AVAILABLE = ProductRow._fields.index("was_available")


def last_whole(live: FeedBuild, *, now: datetime) -> FeedBuild | None:
    """Find the last build that wrote just what is live, if that was lately."""
    written = FeedBuild.objects.filter(
        status__in=(FeedBuild.Status.ACTIVE, FeedBuild.Status.UNCHANGED),
        pk__gte=live.pk,
        content_sha256=live.content_sha256,
        inputs__isnull=False,
        started_at__gt=now - WHOLE_EVERY,
        started_at__lte=now,
    )
    return written.order_by("-pk").first()


def is_made_of_the_same(whole: FeedBuild, *, now: datetime) -> bool:
    """Compare all that a list depends on with what that build was made of.

    Reads on until something differs; never says so of what cannot be summed up.
    """
    if Listing.objects.withheld().exists():
        return False
    with streaming():
        pairs = zip_longest(_read_inputs(now=now), whole.inputs or [])
        return all(found == known for found, known in pairs)


def _read_inputs(*, now: datetime) -> Iterator[str]:
    """Sum up the inputs of this moment as `stream_offers` does for the next build."""
    points = read_points()
    yield digest_of_terms(
        read_terms(now=now, city_prices=city_prices_of(points)), points
    )
    rows, listed = product_tuples(now=now), 0
    while some := list(islice(rows, AT_ONCE)):
        listed += sum(row[WAS_AVAILABLE] is not None for row in some)
        yield digest_of(some)
    # Only where listings are left over are they looked for: that reads all of them.
    left = [] if Listing.objects.count() == listed else left_behind_rows(now=now)
    yield digest_of([tuple(row) for row in left])
