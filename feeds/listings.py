"""Keeps the listed SKUs in step with the published price list."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.db import transaction

from catalog.models import Product
from feeds.models import Listing
from feeds.validating import ReadOffer, read_offers

BATCH = 500
ALTERED = ["product", "is_available", "stock_count", "price_kzt", "withdrawn_at"]


class _Known(NamedTuple):
    """A listing as stored, with the SKU its product has now."""

    pk: int
    sku: str
    product_id: int
    product_sku: str
    is_available: bool
    stock_count: int
    price_kzt: int
    withdrawn_at: datetime | None
    first_listed_at: datetime


def follow_price_list(path: Path, *, now: datetime) -> None:
    """Make the listings say what the file says; only what differs is written.

    For a list whose changes nobody wrote down. Works from the file alone, in small
    transactions, so that it can be repeated from the start after any interruption.
    """
    newest = Listing.objects.order_by("-pk").values_list("pk", flat=True).first()
    # Eight bytes each: a set of a million numbers would take seventy megabytes.
    kept = array("q")
    offers = read_offers(path)
    while batch := list(islice(offers, BATCH)):
        _follow_batch(batch, now=now, kept=kept)
    if newest is not None:
        others = list(_missing(kept, newest=newest))
        for start in range(0, len(others), BATCH):
            Listing.objects.filter(pk__in=others[start : start + BATCH]).delete()


def _follow_batch(offers: list[ReadOffer], *, now: datetime, kept: array[int]) -> None:
    skus = [offer.sku for offer in offers]
    rows = Listing.objects.filter(sku__in=skus).values_list(
        "pk",
        "sku",
        "product_id",
        "product__sku",
        "is_available",
        "stock_count",
        "price_kzt",
        "withdrawn_at",
        "first_listed_at",
    )
    known = {row.sku: row for row in map(_Known._make, rows)}
    kept.extend(row.pk for row in known.values())
    owners = _owners(skus, known)
    altered = [
        listing
        for offer in offers
        if (listing := _altered(offer, known.get(offer.sku), owners, now=now))
    ]
    with transaction.atomic():
        Listing.objects.bulk_create(
            altered,
            update_conflicts=True,
            unique_fields=["sku"],
            update_fields=ALTERED,
        )


def _owners(skus: Iterable[str], known: dict[str, _Known]) -> dict[str, int]:
    """Find the product that has each SKU now, where the listing does not say it."""
    unsure = [sku for sku in skus if sku not in known or known[sku].product_sku != sku]
    if not unsure:
        return {}
    return dict(Product.objects.filter(sku__in=unsure).values_list("sku", "pk"))


def _altered(
    offer: ReadOffer,
    known: _Known | None,
    owners: dict[str, int],
    *,
    now: datetime,
) -> Listing | None:
    is_available = offer.units > 0
    owner = owners.get(offer.sku, known.product_id if known else None)
    if owner is None:
        # Its product took another SKU and the listing is gone: nothing to follow.
        return None
    if known and (owner, is_available, offer.units, offer.price_kzt) == (
        known.product_id,
        known.is_available,
        known.stock_count,
        known.price_kzt,
    ):
        return None
    withdrawn_at = None if is_available else now
    if known and not is_available and known.withdrawn_at:
        withdrawn_at = known.withdrawn_at
    return Listing(
        sku=offer.sku,
        product_id=owner,
        is_available=is_available,
        stock_count=offer.units,
        price_kzt=offer.price_kzt,
        withdrawn_at=withdrawn_at,
        first_listed_at=known.first_listed_at if known else now,
    )


def _missing(kept: array[int], *, newest: int) -> Iterator[int]:
    """Give the listings up to `newest` that the file does not hold."""
    stored = Listing.objects.filter(pk__lte=newest).order_by("pk")
    found = iter(sorted(kept))
    upcoming = next(found, None)
    for pk in stored.values_list("pk", flat=True).iterator(chunk_size=10_000):
        while upcoming is not None and upcoming < pk:
            upcoming = next(found, None)
        if upcoming != pk:
            yield pk
