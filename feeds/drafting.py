"""Writes a price list to a file of its own and makes sure of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from feeds.changes import ListingChanges
from feeds.checking import check_price_list
from feeds.cities import city_name
from feeds.city_prices import CityPrices
from feeds.comparing import ListDifferences, mass_withdrawal, what_is_withheld
from feeds.digesting import Digests, digest_of, digest_of_code
from feeds.models import Listing, Store
from feeds.offers import Offer, Reason, Terms, read_terms, stream_offers, streaming
from feeds.restoring import restore_offers
from feeds.validating import Checked, InvalidPriceList
from feeds.withholding import (
    Withholding,
    read_withheld,
    read_withholding,
    settled_skus,
)
from feeds.writing import Point, Written, write_price_list


class Refusal(Exception):
    """The list must not be published; the message says why."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """A price list that is not live, with all that is known of it so far."""

    path: Path
    differences: ListDifferences = field(default_factory=ListDifferences)
    written: Written | None = None
    checked: Checked | None = None
    # What people must know of it though it may be published.
    remark: str = ""
    # Digest of the points of sale that it names.
    points: str = ""
    # Digests of what it is made of; none where that is not all that it depends on.
    inputs: list[str] | None = None

    @property
    def changes_path(self) -> Path:
        """Where it is written what the list changes in the listings."""
        return self.path.with_suffix(".changes.tmp")

    def remove(self) -> None:
        """Leave no file behind."""
        for path in (self.path, self.changes_path):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    @property
    def counts(self) -> dict[str, Any]:
        if self.written is None:
            return {}
        counts = self.differences.counts(
            offers=self.written.offers, on_sale=self.written.on_sale
        )
        return {**counts, "points": self.points}

    @property
    def content_sha256(self) -> str:
        """Digest everything but the date; "" while nothing is written."""
        return self.written.content_sha256 if self.written else ""


def read_points() -> list[Point]:
    """Read the active points of sale; raises `Refusal` when no list can name them."""
    stores = list(Store.objects.active().order_by("store_id"))
    if not stores:
        raise Refusal(_("no active point of sale: add one in the admin"))
    if not any(store.stock_share for store in stores):
        raise Refusal(_("no active point of sale has a share of the stock"))
    if torn := Store.objects.torn_cities():
        raise Refusal(
            _("the points of city %(city)s differ in their pre-order or their prices")
            % {"city": ", ".join(map(city_name, torn))}
        )
    return [
        Point(
            store_id=store.store_id,
            stock_share=store.stock_share,
            preorder_days=store.preorder_days,
            city_code=store.city_code,
            supplement=(store.supplement_percent, store.supplement_kzt),
        )
        for store in stores
    ]


def city_prices_of(points: list[Point]) -> CityPrices | None:
    """Give what the cities of the points add to prices; None where none does."""
    found = CityPrices(
        supplements={point.city_code: point.supplement for point in points}
    )
    return None if found.is_plain else found


def digest_of_terms(terms: Terms, points: list[Point]) -> str:
    """Sum up what decides about every product alike, and what writes its offer."""
    return digest_of(
        [
            digest_of_code(),
            str(settings.KASPI_COMPANY),
            str(settings.KASPI_MERCHANT_ID),
            # City prices are made of them, too.
            repr(points),
            sorted(terms.published_categories),
            sorted(terms.reserved.items()),
            terms.cap,
            terms.least,
            terms.is_stale,
        ]
    )


def write_draft(
    draft: Draft, *, now: datetime, lets_go: frozenset[str] | None = frozenset()
) -> None:
    """Write the offers of this moment; raises `Refusal` when there is none.

    When too many go off sale at once part of them stays as it was (`withholding`), but
    not the SKUs that a person lets go; None lets all go.
    """
    points = read_points()
    terms = read_terms(now=now, city_prices=city_prices_of(points))
    terms_digest = digest_of_terms(terms, points)
    settled = settled_skus(now=now) | (lets_go or frozenset())
    draft.remark = ""

    def write(withholder: Withholding | None) -> None:
        draft.differences = ListDifferences(settled=settled)
        digests = Digests(terms_digest)
        with streaming(), ListingChanges(draft.changes_path) as changes:
            offers = stream_offers(
                now=now,
                terms=terms,
                differences=draft.differences,
                withholder=withholder,
                changes=changes,
                digests=digests,
            )
            _write(draft, offers, points=points, now=now)
        # What is kept depends on how long it is.
        draft.inputs = None if draft.differences.kept else digests.found

    if lets_go is None:
        write(None)
    else:
        _write_withholding(draft, write, settled=settled)


def _write_withholding(
    draft: Draft,
    write: Callable[[Withholding | None], None],
    *,
    settled: frozenset[str],
) -> None:
    """Write the list, and once more, merged, when too many go off sale at once.

    What earlier builds withheld stays withheld, however little else goes off sale.
    """
    write(read_withheld(settled=settled))
    said = mass_withdrawal(draft.differences)
    if said:
        write(read_withholding(settled=settled))
    if said or draft.differences.kept:
        kept = what_is_withheld(draft.counts)
        draft.remark = f"{said}: {kept}" if said else kept


def write_restored(
    draft: Draft,
    earlier: Path,
    *,
    now: datetime,
    lets_go: frozenset[str] = frozenset(),
) -> None:
    """Write the goods and prices of an earlier list with the stock of this moment.

    No single reading takes too many off sale at once here either (`write_draft`).
    """
    points = read_points()
    terms = read_terms(now=now, city_prices=city_prices_of(points))
    settled = settled_skus(now=now) | lets_go

    def write(withholder: Withholding | None) -> None:
        draft.differences = ListDifferences(settled=settled)
        offers = restore_offers(
            earlier,
            now=now,
            terms=terms,
            differences=draft.differences,
            withholder=withholder,
        )
        _write(draft, offers, points=points, now=now)

    _write_withholding(draft, write, settled=settled)


def _write(
    draft: Draft, offers: Iterable[Offer], *, points: list[Point], now: datetime
) -> None:
    draft.differences.on_sale_before = Listing.objects.on_sale().count()
    draft.points = digest_of(repr(points))
    draft.written = write_price_list(
        draft.path,
        offers,
        points=points,
        company=settings.KASPI_COMPANY,
        merchant_id=settings.KASPI_MERCHANT_ID,
        date=now,
    )
    if not draft.written.offers:
        raise Refusal(_no_offers(draft.differences))


def _no_offers(differences: ListDifferences) -> str:
    """Say why nothing can be sold: the next thing to do follows from it."""
    why = [
        f"{Reason(code).label}: {number}"
        for code, number in differences.left_out.most_common()
    ]
    said = _("the list would be empty")
    return f"{said} ({', '.join(why)})" if why else said


def check_draft(draft: Draft) -> Checked:
    """Read the file back: valid, and holding just what was meant to stand in it."""
    checked = check_file(draft.path)
    written = draft.written
    if written is not None:
        meant = (written.offers, written.on_sale, written.units)
        if (checked.offers, checked.on_sale, checked.units) != meant:
            raise InvalidPriceList(
                _("%(read)d offers were read back, %(written)d were written")
                % {"read": checked.offers, "written": written.offers}
            )
    draft.checked = checked
    return checked


def check_file(path: Path) -> Checked:
    """Check a list against the schema, the rules and today's points of sale."""
    points = read_points()
    return check_price_list(
        path,
        store_ids=frozenset(point.store_id for point in points),
        cities=frozenset(point.city_code for point in points),
    )
