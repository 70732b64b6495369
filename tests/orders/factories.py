"""Rows the order tests need, made by plain functions."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from django.utils import timezone

from catalog.models import Product
from orders.models import Order, OrderLine, Reservation, Step
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
    return Product.objects.create(article=article, **{**defaults, **fields})


def product_of(supplier, article: int | str, **fields: object) -> Product:
    """Store one of the sandbox supplier's goods as a reading would."""
    good = supplier.goods[int(article)]
    defaults = {"cost_kzt": good.price1, "stock": good.available}
    return make_product(str(article), **{**defaults, **fields})


def make_order(*wanted: tuple[Product, int], **fields: object) -> Order:
    """Store a new order as intake does, its first step included."""
    now = timezone.now()
    number = next(_numbers)
    defaults: dict[str, object] = {
        "state": Order.NEW,
        "status": Order.APPROVED,
        "created_at": now,
        "approved_at": now,
        "accept_by": now + timedelta(hours=3),
        "first_seen": now,
        "last_seen": now,
    }
    order = Order.objects.create(
        kaspi_id=f"id{number}", code=str(number), **{**defaults, **fields}
    )
    lines = [
        OrderLine.objects.create(
            order=order,
            entry_id=f"{number}##{place}",
            sku=product.sku,
            product=product,
            quantity=quantity,
        )
        for place, (product, quantity) in enumerate(wanted)
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
