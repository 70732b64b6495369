"""Parcels the hand-over tests need, made by plain functions."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from catalog.models import Product
from orders.models import Order, Step, Waybill
from sandbox.kaspi.orders import Waybill as Issued
from sandbox.kaspi.waybills import waybill_pdf
from tests.orders.factories import make_order


def make_parcel(
    *wanted: tuple[Product, int], waybill: str = "", **fields: object
) -> Order:
    """Store an accepted order of Kaspi's delivery, with its waybill if it has one."""
    now = timezone.now()
    defaults: dict[str, object] = {
        "state": Order.KASPI_DELIVERY,
        "status": Order.ACCEPTED,
        "is_kaspi_delivery": True,
        "is_assembled": bool(waybill),
        "waybill_number": waybill,
        "hand_over_by": now + timedelta(minutes=5),
    }
    order = make_order(*wanted, **{**defaults, **fields})
    if waybill:
        keep_waybill(order, waybill)
    return order


def keep_waybill(order: Order, number: str, **fields: object) -> Waybill:
    """Keep a waybill's file as a reading would."""
    # The sandbox draws figures only.
    figures = "".join(filter(str.isdigit, number))
    issued = Issued(number=figures, places=1, issued=0, ready_at=0)
    defaults: dict[str, object] = {
        "pdf": waybill_pdf(issued, code=order.code),
        "fetched_at": timezone.now(),
    }
    return Waybill.objects.create(order=order, number=number, **{**defaults, **fields})


def asked_to_assemble(
    order: Order, *, places: int = 1, status: str = Step.Status.DONE
) -> Step:
    """Note that Kaspi was asked for a waybill."""
    now = timezone.now()
    return Step.objects.create(
        order=order,
        peer=Step.Peer.KASPI,
        kind=Step.Kind.ASSEMBLE,
        status=status,
        parameters={"places": places},
        not_before=now,
        created_at=now,
    )
