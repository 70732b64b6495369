"""Stored goods and rows as Al-Style sends them."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import count
from typing import Any

from catalog.models import Category, ImportRun, Product, ProductChange
from catalog.writing import add_words

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
_numbers = count(500_000)


def make_category(supplier_id: str = "1", **values: Any) -> Category:
    name = values.pop("name", f"Branch {supplier_id}")
    return Category.objects.create(supplier_id=supplier_id, name=name, **values)


def make_product(article: str | int | None = None, **values: Any) -> Product:
    article = str(article or next(_numbers))
    defaults: dict[str, Any] = {
        "sku": article,
        "name": f"Good {article}",
        "cost_kzt": 1000,
        "retail_kzt": 1500,
        "stock": 10,
        "first_seen": NOW,
        "last_seen": NOW,
    }
    product = Product.objects.create(article=article, **(defaults | values))
    add_words()
    return product


def make_run(kind: str = "stock", status: str = "done", **values: Any) -> ImportRun:
    defaults: dict[str, Any] = {"started_at": NOW, "finished_at": NOW}
    return ImportRun.objects.create(kind=kind, status=status, **(defaults | values))


def element_row(article: Any = 70311, **values: Any) -> dict[str, Any]:
    row = {
        "article": article,
        "article_pn": "ZX-118B",
        "name": "Мышь Zeta ZX-118B",
        "full_name": "Мышь, Zeta, ZX-118B, USB",
        "category": 9204,
        "sort": 0,
        "price1": 1420,
        "price2": 2190,
        "quantity": ">50",
        "isnew": 0,
        "quantityMarkdown": 2,
        "priceMarkdown": 990,
        "brand": "Zeta",
        "barcode": "4870000000017",
        "multiplicity": None,
        "rrp": 0,
    }
    return row | values


def stock_row(quantity: Any = 5, price1: Any = 1000, price2: Any = 1500) -> Any:
    return {
        "quantity": quantity,
        "price1": price1,
        "price2": price2,
        "discountPrice": 0,
        "discount": 0,
        "warehouse": "panfilov",
    }


def stored_product(article: str | int) -> Product:
    return Product.objects.get(article=str(article))


def story(article: str | int) -> list[tuple[str, int | None, int | None]]:
    rows = ProductChange.objects.filter(product__article=str(article)).order_by("pk")
    return [(row.field, row.old, row.new) for row in rows]
