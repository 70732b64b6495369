"""Writes the price list, offer by offer, in Kaspi's format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING

from django.utils import timezone
from lxml import etree

from feeds.city_prices import Supplement
from feeds.offers import Offer

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

NAMESPACE = "kaspiShopping"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SCHEMA_LOCATION = "kaspiShopping http://kaspi.kz/kaspishopping.xsd"
# As Kaspi's example has it; lxml's own has single quotes.
DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'
NO_BRAND = "Без бренда"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An active point of sale, as the list needs it."""

    store_id: str
    stock_share: int
    preorder_days: int | None
    city_code: str = ""
    supplement: Supplement = (Decimal(0), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the writer claims to have written; the validator counts again."""

    offers: int
    on_sale: int
    units: int
    # SHA-256 of everything behind the date.
    content_sha256: str


def split_units(units: int, shares: Sequence[int]) -> list[int]:
    """Divide one heap by shares, whole units, nothing left over.

    The points with the largest remainders get the odd units, the first one first.
    """
    total = sum(shares)
    if not total:
        return [0] * len(shares)
    parts = [units * share // total for share in shares]
    by_remainder = sorted(
        range(len(shares)), key=lambda i: units * shares[i] % total, reverse=True
    )
    for i in by_remainder[: units - sum(parts)]:
        parts[i] += 1
    return parts


class _Sink:
    """A file that keeps a digest of what is written after the date."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._is_content = False

    def write(self, data: bytes) -> int:
        if self._is_content:
            self._digest.update(data)
        return self._file.write(data)

    def begin_content(self) -> None:
        self._is_content = True

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _Stencil:
    """One offer's elements, filled in again for each offer: twice as fast as new ones.

    They carry no namespace, so they are written without a prefix or declaration and
    stand in the root's default namespace; the validator reads them back as such.
    """

    def __init__(
        self, points: Sequence[Point], *, preorder_days: int | None, is_by_city: bool
    ) -> None:
        self.offer = etree.Element("offer", sku="")
        self.model = etree.SubElement(self.offer, "model")
        self.brand = etree.SubElement(self.offer, "brand")
        every = etree.SubElement(self.offer, "availabilities")
        self.points = [
            self._point(every, point, preorder_days=preorder_days) for point in points
        ]
        if is_by_city:
            by_city = etree.SubElement(self.offer, "cityprices")
            cities = dict.fromkeys(point.city_code for point in points)
            self.prices = [
                etree.SubElement(by_city, "cityprice", cityId=city) for city in cities
            ]
        else:
            self.prices = [etree.SubElement(self.offer, "price")]
        self.offer.tail = "\n"

    @staticmethod
    def _point(parent: Element, point: Point, *, preorder_days: int | None) -> Element:
        element = etree.SubElement(
            parent, "availability", available="", storeId=point.store_id, stockCount=""
        )
        days = preorder_days or point.preorder_days
        if days:
            element.set("preOrder", str(days))
        return element


class _OfferWriter:
    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points
        self._shares = [point.stock_share for point in points]
        self._stencils: dict[tuple[int | None, bool], _Stencil] = {}
        self._splits: dict[int, list[tuple[str, str]]] = {}
        self.offers = self.on_sale = self.units = 0

    def fill_in(self, offer: Offer) -> Element:
        """Give the offer's element; it is valid until the next call."""
        sku, model, brand, units, preorder_days, price_kzt, city_prices = offer
        kind = preorder_days, city_prices is not None
        stencil = self._stencils.get(kind)
        if stencil is None:
            stencil = self._stencils[kind] = _Stencil(
                self._points, preorder_days=preorder_days, is_by_city=kind[1]
            )
        shown = self._splits.get(units)
        if shown is None:
            shown = self._splits[units] = [
                ("yes" if part else "no", str(part))
                for part in split_units(units, self._shares)
            ]
        stencil.offer.set("sku", sku)
        stencil.model.text = model
        stencil.brand.text = brand or NO_BRAND
        for element, (available, count) in zip(stencil.points, shown, strict=True):
            element.set("available", available)
            element.set("stockCount", count)
        for price, kzt in zip(stencil.prices, city_prices or (price_kzt,), strict=True):
            price.text = str(kzt)
        self.offers += 1
        if units:
            self.on_sale += 1
            self.units += units
        return stencil.offer


def write_sample(offer: Offer, *, points: Sequence[Point]) -> str:
    """Write one offer as it stands in the list, an element to a line."""
    element = _OfferWriter(points).fill_in(offer)
    etree.indent(element)
    return str(etree.tostring(element, encoding="unicode")).rstrip()


def write_price_list(
    path: Path,
    offers: Iterable[Offer],
    *,
    points: Sequence[Point],
    company: str,
    merchant_id: str,
    date: datetime,
) -> Written:
    """Write the whole list to `path`; memory does not grow with the offers."""
    writer = _OfferWriter(points)
    attributes = {
        "date": f"{timezone.localtime(date):%Y-%m-%d %H:%M}",
        f"{{{XSI}}}schemaLocation": SCHEMA_LOCATION,
    }
    names = {None: NAMESPACE, "xsi": XSI}
    with path.open("wb") as file:
        sink = _Sink(file)
        sink.write(DECLARATION)
        with (
            etree.xmlfile(sink, encoding="utf-8") as xml,
            xml.element(f"{{{NAMESPACE}}}kaspi_catalog", attributes, nsmap=names),
        ):
            xml.flush()
            sink.begin_content()
            _write_content(
                xml, offers, writer, company=company, merchant_id=merchant_id
            )
    return Written(
        offers=writer.offers,
        on_sale=writer.on_sale,
        units=writer.units,
        content_sha256=sink.hexdigest(),
    )


def _write_content(
    xml: etree._IncrementalFileWriter,
    offers: Iterable[Offer],
    writer: _OfferWriter,
    *,
    company: str,
    merchant_id: str,
) -> None:
    xml.write("\n")
    for tag, text in (("company", company), ("merchantid", merchant_id)):
        with xml.element(f"{{{NAMESPACE}}}{tag}"):
            xml.write(text)
        xml.write("\n")
    with xml.element(f"{{{NAMESPACE}}}offers"):
        xml.write("\n")
        write, fill_in = xml.write, writer.fill_in
        for offer in offers:
            write(fill_in(offer))
    xml.write("\n")
