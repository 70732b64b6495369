"""Writes the price list, offer by offer, in Kaspi's format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape

from django.utils import timezone
from lxml import etree

from feeds.city_prices import Supplement
from feeds.offers import Offer

NAMESPACE = "kaspiShopping"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SCHEMA_LOCATION = "kaspiShopping http://kaspi.kz/kaspishopping.xsd"
# As Kaspi's example has it; lxml's own has single quotes.
DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'
NO_BRAND = "Без бренда"
AT_ONCE = 1000


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


class _OfferWriter:
    """Writes offers as text, which takes a quarter of the time that elements take.

    A real parser reads them back before a list is published. They name no namespace:
    they stand in the root's default one.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points
        self._shares = [point.stock_share for point in points]
        cities = dict.fromkeys(point.city_code for point in points)
        self._cities = [_attribute(city) for city in cities]
        self._availabilities: dict[tuple[int, int | None], str] = {}
        self.offers = self.on_sale = self.units = 0

    def text_of(self, offer: Offer) -> str:
        sku, model, brand, units, preorder_days, price_kzt, city_prices = offer
        key = units, preorder_days
        availabilities = self._availabilities.get(key)
        if availabilities is None:
            availabilities = self._availabilities_of(units, preorder_days)
            self._availabilities[key] = availabilities
        self.offers += 1
        if units:
            self.on_sale += 1
            self.units += units
        price = f"<price>{price_kzt}</price>"
        if city_prices is not None:
            price = self._by_city(city_prices)
        return (
            f'<offer sku="{_attribute(sku)}"><model>{escape(model)}</model>'
            f"<brand>{escape(brand or NO_BRAND)}</brand>{availabilities}{price}"
            "</offer>\n"
        )

    def _availabilities_of(self, units: int, preorder_days: int | None) -> str:
        parts = split_units(units, self._shares)
        every = "".join(
            f'<availability available="{"yes" if part else "no"}" '
            f'storeId="{_attribute(point.store_id)}" stockCount="{part}"'
            f"{_preorder(preorder_days or point.preorder_days)}/>"
            for point, part in zip(self._points, parts, strict=True)
        )
        return f"<availabilities>{every}</availabilities>"

    def _by_city(self, prices: Sequence[int]) -> str:
        every = "".join(
            f'<cityprice cityId="{city}">{price}</cityprice>'
            for city, price in zip(self._cities, prices, strict=True)
        )
        return f"<cityprices>{every}</cityprices>"


def _preorder(days: int | None) -> str:
    return f' preOrder="{days}"' if days else ""


def _attribute(text: str) -> str:
    return text if text.isalnum() else escape(text, {'"': "&quot;"})


def find_offer(path: Path, sku: str) -> str:
    """Find one offer in a list of ours, an element to a line; "" when it has none.

    Sought as text: a parser would take seconds for a long list.
    """
    opening = f'<offer sku="{_attribute(sku)}">'.encode()
    try:
        with (
            path.open("rb") as file,
            mmap(file.fileno(), 0, access=ACCESS_READ) as text,
        ):
            begin = text.find(opening)
            offer = text[begin : text.find(b"\n", begin)] if begin >= 0 else b""
    except (FileNotFoundError, ValueError):
        # An empty file cannot be mapped.
        return ""
    if not offer:
        return ""
    element = etree.fromstring(offer)
    etree.indent(element)
    return str(etree.tostring(element, encoding="unicode"))


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
            xml.write("\n")
            for tag, text in (("company", company), ("merchantid", merchant_id)):
                with xml.element(f"{{{NAMESPACE}}}{tag}"):
                    xml.write(text)
                xml.write("\n")
            with xml.element(f"{{{NAMESPACE}}}offers"):
                xml.write("\n")
                xml.flush()
                texts = map(writer.text_of, offers)
                while some := "".join(islice(texts, AT_ONCE)):
                    sink.write(some.encode())
            xml.write("\n")
    return Written(
        offers=writer.offers,
        on_sale=writer.on_sale,
        units=writer.units,
        content_sha256=sink.hexdigest(),
    )
