"""Reads a price list as Kaspi would: with the whole schema, xs:unique included."""

import gzip
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lxml import etree

import feeds

NS = {"k": "kaspiShopping"}


class Read(NamedTuple):
    """An offer by what Kaspi makes of it; one availability for each point."""

    sku: str
    model: str
    brand: str
    price: int
    points: tuple[tuple[str, str, int, str | None], ...]
    cities: dict[str, int]

    @property
    def units(self):
        return sum(count for _store, available, count, _days in self.points)

    @property
    def is_on_sale(self):
        return any(available == "yes" for _store, available, _count, _d in self.points)


@lru_cache(maxsize=1)
def whole_schema():
    return etree.XMLSchema(
        etree.parse(Path(feeds.__file__).with_name("kaspishopping.xsd"))
    )


def read_bytes(data):
    """Parse, validate and return the offers by SKU; fails for what Kaspi refuses."""
    root = etree.fromstring(data)
    whole_schema().assertValid(root)
    offers = [_offer(element) for element in root.iterfind("k:offers/k:offer", NS)]
    assert len({offer.sku for offer in offers}) == len(offers)
    return {offer.sku: offer for offer in offers}


def _offer(element):
    by_city = element.iterfind("k:cityprices/k:cityprice", NS)
    cities = {city.get("cityId"): int(city.text) for city in by_city}
    price = element.findtext("k:price", namespaces=NS)
    return Read(
        sku=element.get("sku"),
        model=element.findtext("k:model", namespaces=NS),
        brand=element.findtext("k:brand", namespaces=NS),
        price=int(price) if price else min(cities.values()),
        cities=cities,
        points=tuple(
            (
                point.get("storeId"),
                point.get("available"),
                int(point.get("stockCount")),
                point.get("preOrder"),
            )
            for point in element.iterfind("k:availabilities/k:availability", NS)
        ),
    )


def live_bytes(feed_dir):
    return (feed_dir / "kaspi_price_list.xml").read_bytes()


def live(feed_dir):
    """Read the live list, and see that its compressed twin says the same."""
    data = live_bytes(feed_dir)
    twin = (feed_dir / "kaspi_price_list.xml.gz").read_bytes()
    assert gzip.decompress(twin) == data
    return read_bytes(data)
