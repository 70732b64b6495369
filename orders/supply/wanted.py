"""What is to be bought for an order, and what speaks against buying it unasked."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from orders.models import Cause, Order, Reason, Reservation
from orders.models.purchase import WantedLine


def wanted_lines(reservation: Reservation) -> list[WantedLine]:
    """List what is to be ordered, one line per article."""
    rows = reservation.lines.select_related("product").order_by("product__article")
    return [
        (row.product.article, row.supplied_quantity, row.product.cost_kzt)
        for row in rows
    ]


def joint_lines(reservations: Iterable[Reservation]) -> list[WantedLine]:
    """List what is to be ordered for all of them, one line per article."""
    joint: dict[str, WantedLine] = {}
    for reservation in reservations:
        for article, quantity, cost in wanted_lines(reservation):
            _article, before, _cost = joint.get(article, (article, 0, cost))
            joint[article] = (article, before + quantity, cost)
    return sorted(joint.values())


def wanted_pieces(reservation: Reservation) -> dict[str, int]:
    """Map articles to the pieces to be ordered."""
    return {article: number for article, number, _c in wanted_lines(reservation)}


def cause_not_to_buy(order: Order, reservation: Reservation) -> Cause | None:
    """Say what a person must look at before the goods are ordered; None = nothing."""
    if cause := order.cause_to_look(order.lines.all()):
        return cause
    if text := _wrong_multiple(reservation):
        return Cause(Reason.WRONG_MULTIPLE, text)
    if not reservation.lines.exists():
        return Cause(Reason.NO_PIECES, _("No pieces are left to be reserved"))
    return None


def _wrong_multiple(reservation: Reservation) -> str:
    for row in reservation.lines.select_related("product"):
        by = row.product.multiplicity or 1
        if row.quantity % by and not row.product.sells_singly:
            text = _("%(article)s is supplied by %(by)s only, ordered %(quantity)s")
            return text % {
                "article": row.product.article,
                "by": by,
                "quantity": row.quantity,
            }
    return ""
