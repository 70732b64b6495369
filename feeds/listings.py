"""Keeps the listed SKUs in step with the published price list."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.db import transaction

from catalog.models import Product
from feeds.changes import Changed, upsert
from feeds.models import Listing
from feeds.validating import ReadOffer, read_offers

BATCH = 500


class _Known(NamedTuple):
    """A listing as stored, with the SKU its product has now."""

    pk: int
    sku: str
    product_id: int
    product_sku: str
    is_available: bool
    stock_count: int
    price_kzt: int


def follow_price_list(
    path: Path, *, now: datetime, confirm: Callable[[], object]
) -> None:
    """Make the listings say what the file says; only what differs is written.

    For a list whose changes nobody wrote down. Works from the file alone, in small
    transactions, so that it can be repeated from the start after any interruption.
    `confirm` raises in one that is not this process's to make any more.
    """
    newest = Listing.objects.order_by("-pk").values_list("pk", flat=True).first()
    # Eight bytes each: a set of a million numbers would take seventy megabytes.
    kept = array("q")
    offers = read_offers(path)
    while batch := list(islice(offers, BATCH)):
        _follow_batch(batch, now=now, kept=kept, confirm=confirm)
    if newest is not None:
        others = list(_missing(kept, newest=newest))
        for start in range(0, len(others), BATCH):
            with transaction.atomic():
                confirm()
                Listing.objects.filter(pk__in=others[start : start + BATCH]).delete()


def _follow_batch(
    offers: list[ReadOffer],
    *,
    now: datetime,
    kept: array[int],
    confirm: Callable[[], object],
) -> None:
    skus = [offer.sku for offer in offers]
    rows = Listing.objects.filter(sku__in=skus).values_list(
        "pk",
        "sku",
        "product_id",
        "product__sku",
        "is_available",
        "stock_count",
        "price_kzt",
    )
    known = {row.sku: row for row in map(_Known._make, rows)}
    kept.extend(row.pk for row in known.values())
    owners = _owners(skus, known)
    altered = [
        changed
        for offer in offers
        if (changed := _altered(offer, known.get(offer.sku), owners))
    ]
    with transaction.atomic():
        confirm()
        upsert(altered, now=now)


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
) -> Changed | None:
    owner = owners.get(offer.sku, known.product_id if known else None)
    if owner is None:
        # Its product took another SKU and the listing is gone: nothing to follow.
        return None
    if known and (owner, offer.units > 0, offer.units, offer.price_kzt) == (
        known.product_id,
        known.is_available,
        known.stock_count,
        known.price_kzt,
    ):
        return None
    return Changed(offer.sku, owner, offer.units, offer.price_kzt)


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
