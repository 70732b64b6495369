"""The reading half of Al-Style's API: catalogue, stock, prices, reference data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.alstyle.catalogue import Category, Good, Shop, brand_id
from sandbox.alstyle.oddities import Oddities
from sandbox.faults import NGINX_PAGE, Fault
from sandbox.server import Params, Reply, html_reply, json_reply

LIMIT_MAX = 250
ARTICLES_MAX = 1000
SITE = "https://al-style.example"

Extra = Callable[[Good], Any]

WAREHOUSES = {
    "panfilov": {
        "name": "Алматы, Панфилова",
        "phone": "+7 727 000-00-01",
        "city": "Алматы",
        "street": "Панфилова",
        "house": "1",
        "full_address": "Алматы, ул. Панфилова, 1",
        "full_name": "Склад Панфилова",
        "lat": "43.256",
        "lng": "76.945",
    },
    "suyunbai": {
        "name": "Алматы, Суюнбая",
        "phone": "+7 727 000-00-02",
        "city": "Алматы",
        "street": "Суюнбая",
        "house": "2",
        "full_address": "Алматы, пр. Суюнбая, 2",
        "full_name": "Склад Суюнбая",
        "lat": "43.310",
        "lng": "76.957",
    },
}


def _image_urls(good: Good) -> list[str]:
    return [f"{SITE}/images/{good.article}_{n}.jpg" for n in (1, 2)]


def _discounted(good: Good) -> int:
    return good.price1 * (100 - good.discount) // 100 if good.discount else 0


EXTRA: dict[str, Extra] = {
    "description": lambda good: good.description,
    "brand": lambda good: good.brand,
    "weight": lambda good: good.weight,
    "warranty": lambda good: good.warranty,
    "images": _image_urls,
    "url": lambda good: f"{SITE}/goods/{good.article}",
    "barcode": lambda good: good.barcode,
    "reducedprice": _discounted,
    "expectedArrivalDate": lambda good: good.expected_weeks,
    "discountPrice": _discounted,
    "discount": lambda good: good.discount,
    "certificates": lambda good: [],
    "instructions": lambda good: [],
    "reservationTime": lambda good: None,
    "reservationDate": lambda good: None,
    "defectDescription": lambda good: "",
    "rrp": lambda good: good.rrp,
    "warehouse": lambda good: "panfilov",
    "warehouses": lambda good: {"panfilov": good.quantity},
    "marketplaceArticles": lambda good: [],
    "tnved": lambda good: good.tnved,
    "multiplicity": lambda good: good.multiplicity,
}


def _property_rows(good: Good) -> list[dict[str, Any]]:
    return [
        {"id": 100 + sort, "name": name, "value": value, "sort": sort}
        for sort, (name, value) in enumerate(good.properties.items())
    ]


INFO_EXTRA: dict[str, Extra] = EXTRA | {
    "detailText": lambda good: f"{good.description}<p>Гарантия {good.warranty}</p>",
    "properties": _property_rows,
}


class ServerError(Exception):
    """The API breaks over this request: HTTP 500 with an HTML page."""


@dataclass(slots=True, kw_only=True)
class CatalogueApi:
    """Answers the reading methods from a shop. Not locked: the server locks."""

    shop: Shop
    oddities: Oddities
    now_text: Callable[[], Any]
    elements_nested: Callable[[], bool]

    def answer(self, method: str, params: Params, faults: list[Fault]) -> Reply | None:
        """Answer one method; None = no such method here."""
        handler = HANDLERS.get(method)
        if handler is None:
            return None
        try:
            return json_reply(handler(self, params, faults))
        except ServerError as error:
            page = NGINX_PAGE.format(title="500 Internal Server Error")
            return html_reply(page + f"<!-- {error} -->", status=500)

    def _date(self, params: Params, faults: list[Fault]) -> Any:
        return self.now_text()

    def _categories(self, params: Params, faults: list[Fault]) -> Any:
        wanted = params.get("id")
        rows = [
            self._category(category)
            for category in self.shop.categories
            if not wanted or str(category.id) == wanted
        ]
        return [*rows, *self.shop.raw_categories]

    def _category(self, category: Category) -> dict[str, Any]:
        return {
            "id": category.id,
            "name": category.name,
            "left": category.left,
            "right": category.right,
            "level": category.level,
            "elements": self.shop.within(category),
        }

    def _brands(self, params: Params, faults: list[Fault]) -> Any:
        counted = sorted(self.shop.brands().items())
        return {
            "status": True,
            "data": [
                {"id": brand_id(name), "name": name, "count": count}
                for name, count in counted
            ],
        }

    def _elements(self, params: Params, faults: list[Fault]) -> Any:
        page, _ = self._page(params, faults)
        return [page] if self.elements_nested() else page

    def _elements_pagination(self, params: Params, faults: list[Fault]) -> Any:
        page, pagination = self._page(params, faults)
        return {"elements": page, "pagination": pagination}

    def _page(
        self, params: Params, faults: list[Fault]
    ) -> tuple[list[Any], dict[str, int]]:
        limit = min(_int(params, "limit", LIMIT_MAX) or LIMIT_MAX, LIMIT_MAX)
        offset = _int(params, "offset", 0)
        extra = _asked_for(params, EXTRA)
        self.oddities.before_page(offset, faults)
        goods = self.oddities.rows(self._listed(params), faults)
        total = self.oddities.total(goods, faults)
        flapped = self.oddities.quantities(faults)
        page = [
            self._row(item, extra, flapped) if isinstance(item, Good) else item
            for item in self.oddities.page(goods, offset, limit, faults)
        ]
        return page, {
            "totalCount": total,
            "totalPages": -(-total // limit),
            "currentPage": offset // limit + 1,
            "limit": limit,
            "offset": offset,
        }

    def _listed(self, params: Params) -> list[Any]:
        categories = _category_ids(params)
        goods: list[Any] = [
            good
            for good in self._of_brand(params)
            if not categories or good.category in categories
        ]
        if params.get("exclude_missing", "") not in ("", "0", "false"):
            goods = [good for good in goods if good.quantity not in (0, "0")]
        return goods + self.shop.extra_rows if not categories else goods

    def _of_brand(self, params: Params) -> list[Good]:
        goods = list(self.shop.goods.values())
        brand = params.get("brand", "")
        if not brand:
            return goods
        names = {name for name in self.shop.brands() if brand_id(name) == brand}
        return [good for good in goods if good.brand in names]

    def _row(
        self, good: Good, extra: dict[str, Extra], flapped: frozenset[int]
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "article": good.article,
            "article_pn": good.article_pn,
            "name": good.name,
            "full_name": good.full_name,
            "category": good.category,
            "sort": good.sort,
            "price1": good.price1,
            "price2": good.price2,
            "quantity": 0 if good.article in flapped else good.quantity,
            "isnew": good.isnew,
        }
        if good.quantity_markdown:
            row["quantityMarkdown"] = good.quantity_markdown
            row["priceMarkdown"] = good.price_markdown
        row |= {name: show(good) for name, show in extra.items()}
        return row | self.shop.raw_rows.get(good.article, {})

    def _element_info(self, params: Params, faults: list[Fault]) -> Any:
        extra = _asked_for(params, INFO_EXTRA)
        flapped = self.oddities.quantities(faults)
        goods: list[Good] = []
        if "article" in params:
            goods = self._named(params)
        elif "name" in params:
            wanted = params["name"].casefold()
            goods = [g for g in self.shop.goods.values() if wanted in g.name.casefold()]
        elif "article_pn" in params:
            wanted = params["article_pn"]
            goods = [g for g in self.shop.goods.values() if g.article_pn == wanted]
        return [self._row(good, extra, flapped) for good in goods[:LIMIT_MAX]]

    def _images(self, params: Params, faults: list[Fault]) -> Any:
        urls = [url for good in self._named(params) for url in _image_urls(good)]
        thumbs = params.get("thumbs", "") not in ("", "0", "false")
        return [url.replace("/images/", "/thumbs/") for url in urls] if thumbs else urls

    def _quantity(self, params: Params, faults: list[Fault]) -> Any:
        flapped = self.oddities.quantities(faults)
        return _php_map(
            {
                str(good.article): 0 if good.article in flapped else good.quantity
                for good in self._named(params)
            }
        )

    def _quantity_price(self, params: Params, faults: list[Fault]) -> Any:
        goods = self._named(params) if "article" in params else self._of_brand(params)
        if params.get("exclude_missing", "") not in ("", "0", "false"):
            goods = [good for good in goods if good.quantity not in (0, "0")]
        goods = self.oddities.rows(goods, faults)
        flapped = self.oddities.quantities(faults)
        unpriced = self.oddities.unpriced(faults)
        answer: dict[str, Any] = {
            str(good.article): {
                "quantity": 0 if good.article in flapped else good.quantity,
                "price1": good.price1,
                "price2": good.price2,
                "discountPrice": _discounted(good),
                "discount": good.discount,
                "warehouse": "panfilov",
            }
            for good in goods
            if good.article not in unpriced
        }
        for key, value in self.shop.raw_prices.items():
            if "article" not in params or key in answer:
                answer[key] = value
        return _php_map(answer)

    def _properties(self, params: Params, faults: list[Fault]) -> Any:
        categories = _category_ids(params)
        goods = self._named(params) if "article" in params else []
        if categories:
            goods = [g for g in self.shop.goods.values() if g.category in categories]
        rows = [
            {
                "id": 500_000 + g.article,
                "article": g.article,
                "properties": _property_rows(g),
            }
            for g in goods
        ]
        return {"elements": rows, "pagination": {"totalCount": len(rows)}}

    def _warehouses(self, params: Params, faults: list[Fault]) -> Any:
        return WAREHOUSES

    def _named(self, params: Params) -> list[Good]:
        texts = params.get("article", "").split(",")[:ARTICLES_MAX]
        articles = [int(text) for text in texts if text.strip().isdigit()]
        return [self.shop.goods[a] for a in articles if a in self.shop.goods]


HANDLERS: dict[str, Callable[[CatalogueApi, Params, list[Fault]], Any]] = {
    "date": CatalogueApi._date,
    "categories": CatalogueApi._categories,
    "brands": CatalogueApi._brands,
    "elements": CatalogueApi._elements,
    "elements-pagination": CatalogueApi._elements_pagination,
    "element-info": CatalogueApi._element_info,
    "images": CatalogueApi._images,
    "quantity": CatalogueApi._quantity,
    "quantity-price": CatalogueApi._quantity_price,
    "properties": CatalogueApi._properties,
    "warehouses": CatalogueApi._warehouses,
}


def _php_map(data: dict[str, Any]) -> dict[str, Any] | list[Any]:
    # PHP cannot tell an empty map from an empty list.
    return data or []


def _int(params: Params, name: str, default: int) -> int:
    text = params.get(name, "").strip()
    return int(text) if text.isdigit() else default


def _category_ids(params: Params) -> frozenset[int]:
    text = params.get("category", "")
    try:
        return frozenset(int(part) for part in text.split(",") if part or "," in text)
    except ValueError as error:
        raise ServerError(f"category: {text}") from error


def _asked_for(params: Params, known: dict[str, Extra]) -> dict[str, Extra]:
    names = [n.strip() for n in params.get("additional_fields", "").split(",") if n]
    if unknown := [name for name in names if name not in known]:
        raise ServerError(f"additional_fields: {unknown[0]}")
    return {name: known[name] for name in names}
