"""Reads a price list back, element by element, and refuses whatever Kaspi would."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Generator, Hashable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, NoReturn, cast

from django.utils.translation import gettext as _
from lxml import etree

from catalog.models import SKU
from feeds.writing import NAMESPACE

SCHEMA_FILE = Path(__file__).with_name("kaspishopping.xsd")
OFFER = f"{{{NAMESPACE}}}offer"
CITY_PRICE = f"{{{NAMESPACE}}}cityprice"
AVAILABILITY = f"{{{NAMESPACE}}}availability"
CHUNK_BYTES = 1 << 18
XS_UNIQUE = "{http://www.w3.org/2001/XMLSchema}unique"
MAX_PREORDER_DAYS = 30
BUCKETS = 64


class InvalidPriceList(Exception):
    """The file must not be published; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What stands in a file that passed."""

    sha256: str
    size_bytes: int
    offers: int
    on_sale: int
    units: int


class ReadOffer(NamedTuple):
    """An offer as it stands in a file, its points added up."""

    sku: str
    model: str
    brand: str
    units: int
    # The least of the cities' where they differ.
    price_kzt: int
    city_prices: dict[str, int]


@lru_cache(maxsize=1)
def streaming_schema() -> etree.XMLSchema:
    """Compile the schema without its `xs:unique`.

    libxml2 keeps a table of every key for it, 350 bytes each: a third of a gigabyte
    for a million offers. `SkuLedger` checks the same in a thirtieth.
    """
    tree = etree.parse(SCHEMA_FILE)
    for unique in list(tree.iter(XS_UNIQUE)):
        parent = unique.getparent()
        if parent is not None:
            parent.remove(unique)
    return etree.XMLSchema(tree)


class SkuLedger:
    """Counts distinct SKUs by 64-bit hash, a bucket at a time: 8 bytes for each."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(BUCKETS)]
        self._append = [bucket.append for bucket in self._buckets]

    def note(self, skus: Iterable[Hashable]) -> None:
        append = self._append
        for digest in map(hash, skus):
            append[digest % BUCKETS](digest)

    def repeated(self) -> set[int]:
        """Give the hashes that came more than once."""
        found: set[int] = set()
        for bucket in self._buckets:
            if len(set(bucket)) == len(bucket):
                continue
            seen: set[int] = set()
            for digest in bucket:
                if digest in seen:
                    found.add(digest)
                seen.add(digest)
        return found


class Rules:
    """The business rules, applied as the parser meets each element."""

    def __init__(
        self, store_ids: frozenset[str], cities: frozenset[str] = frozenset()
    ) -> None:
        self.offers = self.on_sale = self.units = 0
        self.skus = SkuLedger()
        self._store_ids, self._cities = store_ids, cities
        self._priced: set[str] = set()
        self._sku = ""
        self._is_on_sale = False

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if tag == AVAILABILITY:
            units = self.check_availability(attrib)
            self.units += units
            if units and not self._is_on_sale:
                self._is_on_sale = True
                self.on_sale += 1
        elif tag == CITY_PRICE:
            self._check_city(attrib.get("cityId", ""))
        elif tag == OFFER:
            self._check_cities()
            self._sku = sku = attrib.get("sku", "")
            if not SKU.fullmatch(sku):
                raise InvalidPriceList(_("unusable SKU %(sku)r") % {"sku": sku})
            self.skus.note([sku])
            self.offers += 1
            self._is_on_sale = False

    def close(self) -> None:
        self._check_cities()

    def _check_city(self, city: str) -> None:
        if city not in self._cities:
            self._refuse(_("no active point is in city %(city)r") % {"city": city})
        if city in self._priced:
            self._refuse(_("two prices for city %(city)s") % {"city": city})
        self._priced.add(city)

    def _check_cities(self) -> None:
        """See that an offer with prices by city, which is over now, has them all."""
        if self._priced and len(self._priced) < len(self._cities):
            missing = ", ".join(sorted(self._cities - self._priced))
            self._refuse(_("no price for city %(city)s") % {"city": missing})
        self._priced.clear()

    def check_availability(self, attrib: dict[str, str]) -> int:
        """Return how many units a point offers; raises `InvalidPriceList`."""
        store_id = attrib.get("storeId")
        if store_id not in self._store_ids:
            self._refuse(_("point %(store)r is not active") % {"store": store_id})
        count = self._whole(attrib.get("stockCount", "0"))
        if attrib.get("available") == "yes":
            if not count:
                self._refuse(_("on sale without stock"))
        elif count:
            self._refuse(_("stock of an offer that is not on sale"))
        days = attrib.get("preOrder")
        if days is not None and not 1 <= self._whole(days) <= MAX_PREORDER_DAYS:
            self._refuse(_("pre-order of %(days)s days") % {"days": days})
        return count

    def _whole(self, text: str) -> int:
        # The schema judges an element after this target has met it.
        try:
            return int(text)
        except ValueError:
            self._refuse(_("%(text)r is no number") % {"text": text})

    def _refuse(self, reason: str) -> NoReturn:
        # lxml closes the target after an error, too: the first reason counts.
        self._priced.clear()
        raise InvalidPriceList(
            _("offer %(sku)s: %(reason)s") % {"sku": self._sku, "reason": reason}
        )


def read_closely(
    path: Path, *, store_ids: frozenset[str], cities: frozenset[str]
) -> Checked:
    """Check a file against the schema and the business rules in one pass.

    Raises `InvalidPriceList`. Memory does not grow but for eight bytes an offer.
    """
    rules = Rules(store_ids, cities)
    reading = Reading(rules)
    try:
        for _chunk in reading.chunks(path):
            _refuse_schema_errors(reading, rules)
    except etree.XMLSyntaxError as error:
        raise InvalidPriceList(
            _("not well-formed: %(error)s") % {"error": error}
        ) from None
    _refuse_schema_errors(reading, rules)
    _refuse_repeated(path, rules.skus.repeated())
    return reading.found(offers=rules.offers, on_sale=rules.on_sale, units=rules.units)


class Reading:
    """A file on its way through the parser, which judges it against the schema.

    `target` is told what it meets. With one of our own lxml logs what the schema
    refuses and raises nothing.
    """

    def __init__(self, target: object) -> None:
        self._digest, self._size = hashlib.sha256(), 0
        self._parser = etree.XMLParser(
            target=cast("etree.ParserTarget", target),
            schema=streaming_schema(),
            resolve_entities=False,
            no_network=True,
        )

    def chunks(self, path: Path) -> Iterator[bytes]:
        """Give piece after piece once it is parsed; raises `XMLSyntaxError`."""
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self._digest.update(chunk)
                self._size += len(chunk)
                self._parser.feed(chunk)
                yield chunk
        self._parser.close()

    @property
    def refusal(self) -> str | None:
        """Say what the schema refuses so far; None = nothing."""
        log = self._parser.feed_error_log
        return log[0].message if len(log) else None

    def found(self, *, offers: int, on_sale: int, units: int) -> Checked:
        """Give what stands in the file, read to its end."""
        return Checked(
            sha256=self._digest.hexdigest(),
            size_bytes=self._size,
            offers=offers,
            on_sale=on_sale,
            units=units,
        )


def _refuse_schema_errors(reading: Reading, rules: Rules) -> None:
    refusal = reading.refusal
    if refusal is not None:
        raise InvalidPriceList(
            _("refused by the schema near offer %(number)d: %(error)s")
            % {"number": rules.offers, "error": refusal}
        )


def _refuse_repeated(path: Path, hashes: set[int]) -> None:
    if not hashes:
        return
    seen: set[str] = set()
    with closing(read_offers(path)) as offers:
        for offer in offers:
            if hash(offer.sku) not in hashes:
                continue
            if offer.sku in seen:
                raise InvalidPriceList(
                    _("SKU %(sku)s stands in the list twice") % {"sku": offer.sku}
                )
            seen.add(offer.sku)


def read_offers(path: Path) -> Generator[ReadOffer, None, None]:
    """Stream the offers of a file of ours; each has a brand, as `writing` writes it."""
    with path.open("rb") as file:
        for _event, element in etree.iterparse(file, tag=OFFER, no_network=True):
            units = sum(
                int(point.get("stockCount") or 0)
                for point in element.iter(AVAILABILITY)
                if point.get("available") == "yes"
            )
            cities = {
                city.get("cityId") or "": int(city.text or 0)
                for city in element.iter(CITY_PRICE)
            }
            price_kzt = min(cities.values(), default=0) or int(element[-1].text or 0)
            yield ReadOffer(
                sku=element.get("sku") or "",
                model=element[0].text or "",
                brand=element[1].text or "",
                units=units,
                price_kzt=price_kzt,
                city_prices=cities,
            )
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
