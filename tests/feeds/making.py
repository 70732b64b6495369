"""Makes stores, products and imports for the feed's tests."""

from datetime import timedelta
from itertools import count

from django.utils import timezone

from catalog.models import Category, ImportRun, Product
from feeds.models import Store
from feeds.publishing import build_price_list

_numbers = count(70_000)


def make_store(store_id="PP1", **fields):
    return Store.objects.create(store_id=store_id, **fields)


def make_import(age_min=1):
    """Note a good stock import that began so many minutes ago."""
    at = timezone.now() - timedelta(minutes=age_min)
    return ImportRun.objects.create(
        kind=ImportRun.Kind.STOCK,
        status=ImportRun.Status.DONE,
        started_at=at,
        finished_at=at,
    )


def product(**fields):
    """Give a sellable product that is not saved; the rule-less price is fixed."""
    number = str(next(_numbers))
    now = timezone.now()
    wanted = {
        "article": number,
        "sku": number,
        "name": f"Мышь Zeta ZX-{number}",
        "brand": "Zeta",
        "cost_kzt": 5000,
        "stock": 10,
        "is_published": Product.Publish.YES,
        "price_kzt": 7990,
        "accepted_price_kzt": 7990,
        "first_seen": now,
        "last_seen": now,
    }
    return Product(**{**wanted, **fields})


def make_product(**fields):
    made = product(**fields)
    made.save()
    return made


def make_products(number, **fields):
    return Product.objects.bulk_create([product(**fields) for _ in range(number)])


def make_category(**fields):
    number = str(next(_numbers))
    return Category.objects.create(
        **{"supplier_id": number, "name": f"Ветка {number}", **fields}
    )


def build(**options):
    return build_price_list(now=options.pop("now", timezone.now()), **options)
