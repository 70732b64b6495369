"""Read a merchant's price list as Kaspi does: schema first, then the rules."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

NS = "{kaspiShopping}"
SKU_MAX = 20
PLAIN_SKU = re.compile(r"[0-9A-Za-z]+")
SHOWN_ERRORS = 20


class PriceListRefused(Exception):
    """The whole file is refused; `reasons` in the cabinet's words."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    store_id: str
    available: bool
    stock: int | None
    preorder_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One offer as Kaspi shows it to buyers; prices in tenge."""

    sku: str
    model: str
    brand: str
    price: int
    city_prices: dict[str, int] = field(default_factory=dict)
    places: tuple[Place, ...] = ()

    @property
    def stock(self) -> int | None:
        """Return the pieces on sale in all points; None = not stated."""
        known = [p.stock for p in self.places if p.available and p.stock is not None]
        open_ended = any(p.available and p.stock is None for p in self.places)
        return None if open_ended else sum(known)

    @property
    def available(self) -> bool:
        return any(p.available and p.stock != 0 for p in self.places)

    @property
    def preorder_days(self) -> int | None:
        """Return the longest promised wait, None = in stock."""
        days = [p.preorder_days for p in self.places if p.available and p.preorder_days]
        return max(days, default=None)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "stock": self.stock,
            "available": self.available,
            "preorder_days": self.preorder_days,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    date: str
    company: str
    merchant_id: str
    offers: dict[str, Offer]
    warnings: list[str]


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(
        etree.parse(str(Path(__file__).with_name("kaspishopping.xsd")))
    )


def read_price_list(data: bytes, *, merchant_id: str | None = None) -> PriceList:
    """Parse and check a file; raises PriceListRefused with every reason found."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise PriceListRefused([f"Файл не читается как XML: {error}"]) from error
    rules = schema()
    if not rules.validate(root):
        log: Any = rules.error_log
        errors = [f"Строка {entry.line}: {entry.message}" for entry in log]
        raise PriceListRefused(errors[:SHOWN_ERRORS])
    offers = [_offer(node) for node in root.iterfind(f"{NS}offers/{NS}offer")]
    found = PriceList(
        date=root.get("date", ""),
        company=root.findtext(f"{NS}company", ""),
        merchant_id=root.findtext(f"{NS}merchantid", ""),
        offers={offer.sku: offer for offer in offers},
        warnings=_warnings(offers),
    )
    reasons = _broken_rules(offers)
    if merchant_id is not None and found.merchant_id != merchant_id:
        reasons.append(f"merchantid «{found.merchant_id}» — не этот магазин")
    if reasons:
        raise PriceListRefused(reasons[:SHOWN_ERRORS])
    return found


def _offer(node: etree._Element) -> Offer:
    cities = {
        str(city.get("cityId")): int(city.text or 0)
        for city in node.iterfind(f"{NS}cityprices/{NS}cityprice")
    }
    price = node.findtext(f"{NS}price")
    return Offer(
        sku=node.get("sku", ""),
        model=node.findtext(f"{NS}model", ""),
        brand=node.findtext(f"{NS}brand", ""),
        price=int(price) if price else min(cities.values()),
        city_prices=cities,
        places=tuple(
            _place(place)
            for place in node.iterfind(f"{NS}availabilities/{NS}availability")
        ),
    )


def _place(node: etree._Element) -> Place:
    stock, days = node.get("stockCount"), node.get("preOrder")
    return Place(
        store_id=node.get("storeId", ""),
        available=node.get("available") == "yes",
        stock=int(stock) if stock is not None else None,
        preorder_days=int(days) if days is not None else None,
    )


def _broken_rules(offers: list[Offer]) -> list[str]:
    reasons: list[str] = []
    seen: set[str] = set()
    for offer in offers:
        sku = offer.sku
        if not sku.strip():
            reasons.append("Пустой sku")
        elif len(sku) > SKU_MAX:
            reasons.append(f"sku «{sku[:40]}» длиннее {SKU_MAX} знаков")
        elif sku in seen:
            reasons.append(f"sku «{sku}» повторяется")
        elif re.search(r"[^0-9A-Za-z_-]", sku):
            reasons.append(f"sku «{sku}»: только цифры и латинские буквы")
        seen.add(sku)
        if not offer.model.strip():
            reasons.append(f"sku «{sku}»: пустое название")
        stores = [place.store_id for place in offer.places]
        if len(set(stores)) != len(stores):
            reasons.append(f"sku «{sku}»: склад указан дважды")
        if any(place.preorder_days == 0 for place in offer.places):
            reasons.append(f"sku «{sku}»: preOrder от 1 до 30 дней")
        if any(not city.isdigit() for city in offer.city_prices):
            reasons.append(f"sku «{sku}»: неизвестный cityId")
    return reasons


def _warnings(offers: list[Offer]) -> list[str]:
    odd = [offer.sku for offer in offers if not PLAIN_SKU.fullmatch(offer.sku)]
    lone = [offer.sku for offer in offers if not offer.places]
    warnings = []
    if odd:
        warnings.append(f"sku не только из цифр и латиницы: {', '.join(odd[:5])}")
    if lone:
        warnings.append(f"Нет availabilities: {', '.join(lone[:5])}")
    return warnings
