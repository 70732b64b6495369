"""Rows the order tests need, made by plain functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count

from django.utils import timezone

from catalog.models import PriceRule, Product
from catalog.writing import add_words
from orders.models import (
    LearnedFact,
    Order,
    OrderLine,
    Purchase,
    Reservation,
    Step,
    SupplierListing,
)
from orders.plan.planning import open_order

_numbers = count(703_214_588)


def make_product(article: str, **fields: object) -> Product:
    now = timezone.now()
    defaults: dict[str, object] = {
        "sku": article,
        "name": f"Товар {article}",
        "cost_kzt": 1000,
        "retail_kzt": 1500,
        "stock": 20,
        "first_seen": now,
        "last_seen": now,
    }
    product = Product.objects.create(article=article, **{**defaults, **fields})
    add_words()
    return product


def ensure_price_rule() -> None:
    """Have the rule that every installation begins with; some tests flush it."""
    if not PriceRule.objects.exists():
        PriceRule.objects.create(name="Все товары")


def product_of(supplier, article: int | str, **fields: object) -> Product:
    """Store one of the sandbox supplier's goods as a reading would."""
    good = supplier.goods[int(article)]
    defaults = {"cost_kzt": good.price1, "stock": good.available}
    return make_product(str(article), **{**defaults, **fields})


def another(supplier, product: Product) -> int:
    """Give an article of plenty that is not the product's."""
    articles = articles_of_plenty(supplier)
    return next(article for article in articles if str(article) != product.article)


def articles_of_plenty(supplier, *, at_least: int = 30) -> list[int]:
    """Give the articles with a price and that many pieces, sold by the piece."""
    return [
        good.article
        for good in supplier.goods.values()
        if good.price1 > 1 and good.available >= at_least and not good.multiplicity
    ]


def make_order(*wanted: tuple[Product | str, int], **fields: object) -> Order:
    """Store a new order as intake does, its first step included.

    A text instead of a product is a SKU that nobody knows. The buyer pays twice the
    dealer price, so that buying is worth its while.
    """
    ensure_price_rule()
    now = timezone.now()
    number = next(_numbers)
    defaults: dict[str, object] = {
        "kaspi_id": f"id{number}",
        "code": str(number),
        "state": Order.NEW,
        "status": Order.APPROVED,
        "created_at": now,
        "approved_at": now,
        "accept_by": now + timedelta(hours=3),
        "first_seen": now,
        "last_seen": now,
    }
    order = Order.objects.create(**{**defaults, **fields})
    lines = [
        OrderLine.objects.create(
            order=order,
            entry_id=f"{number}##{place}",
            sku=good if isinstance(good, str) else good.sku,
            product=None if isinstance(good, str) else good,
            quantity=quantity,
            price_kzt=2 * (getattr(good, "cost_kzt", None) or 1000),
        )
        for place, (good, quantity) in enumerate(wanted)
    ]
    opening = open_order(order, lines, now=now, reserve=True)
    if opening.reservation is not None:
        opening.reservation.save()
        for line in opening.reservation_lines:
            line.save()
    for step in opening.steps:
        step.save()
    for event in opening.events:
        event.save()
    return order


def step_of(order: Order, kind: str = Step.Kind.RESERVE) -> Step:
    """The newest step of a kind."""
    return order.steps.filter(kind=kind).latest("pk")


def reservation_of(order: Order) -> Reservation:
    """The newest reservation."""
    return order.reservations.latest("pk")


def purchase_of(order: Order) -> Purchase:
    """The newest purchase."""
    return Purchase.objects.filter(reservations__order=order).latest("pk")


def doubt(order: Order, **fields: object) -> Purchase:
    """Leave it to a person what became of an order's purchase."""
    reservation = reservation_of(order)
    lines = [
        [line.product.article, line.quantity, line.product.cost_kzt]
        for line in reservation.lines.select_related("product")
    ]
    now = timezone.now()
    values = {
        "status": Purchase.Status.NEEDS_PERSON,
        "reference": order.code,
        "lines": lines,
        "submits": [(now - timedelta(hours=1)).isoformat()],
        "created_at": now - timedelta(hours=1),
    }
    purchase = Purchase.objects.create(**{**values, **fields})
    purchase.reservations.add(reservation)
    return purchase


def know_supplier(**facts: str) -> None:
    """Let clear answers have taught what the friendly supplier does."""
    usual = {
        "submit_empties": "yes",
        "reference_shown": "no",
        "listed_after_s": "0",
        "date_offset_min": "300",
    }
    for name, value in {**usual, **facts}.items():
        LearnedFact.objects.create(
            name=name, value=value, evidence="test", learned_at=timezone.now()
        )


def let_pass(order: Order, *, minutes: float = 5) -> None:
    """Let time pass over an order's purchase and what waits for it."""
    back = timedelta(minutes=minutes)

    def earlier(moment: str) -> str:
        return (datetime.fromisoformat(moment) - back).isoformat()

    for purchase in Purchase.objects.unsettled():
        purchase.submits = [earlier(moment) for moment in purchase.submits]
        purchase.cart_since = [
            {**seen, "at": earlier(seen["at"])} for seen in purchase.cart_since
        ]
        if purchase.submit_ended_at is not None:
            purchase.submit_ended_at -= back
        purchase.save()
    for listed in SupplierListing.objects.all():
        SupplierListing.objects.filter(pk=listed.pk).update(
            first_seen_at=listed.first_seen_at - back
        )
    order.steps.open().update(not_before=timezone.now())
