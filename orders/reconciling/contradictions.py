"""Compares an order with its reservation, its purchases and Al-Style's orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from orders.models import (
    Finding,
    Order,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
    supplied_quantity,
    whole_order,
)
from orders.supply.verifying import beyond, difference_of

Kind = Finding.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """What does not fit; `facts` say upon what it rests, `text` says it to a person.

    `stands`: whether it is to be told on the order too; one that a stuck step tells of
    is not.
    """

    kind: Finding.Kind
    subject: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    order: Order | None = None
    purchase: Purchase | None = None
    stands: bool = True


def load_whole(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Read with the orders all that `contradictions_of` compares."""
    return orders.prefetch_related(
        "lines__product",
        "steps",
        "findings",
        "reservations__lines__product",
        "reservations__supplier_order__merged_into",
        "reservations__purchases__supplier_order",
    )


def contradictions_of(
    order: Order, *, first_read_at: datetime | None
) -> Iterator[Contradiction]:
    """Find what contradicts the promises in what is known of an order.

    Give an order of `load_whole`. `first_read_at`: who accepted an order before the
    bridge began to read has seen to its goods.
    """
    whole = _Whole(order)
    yield from whole.not_shown()
    yield from whole.unknown_state()
    yield from whole.not_released()
    yield from whole.open_of_ended()
    is_ours = first_read_at is not None and order.created_at >= first_read_at
    if is_ours or order.awaits_accept:
        yield from whole.no_goods()
    yield from whole.other_lines()
    yield from whole.left_over()
    yield from whole.shipped_in_vain()
    yield from whole.purchases()


def goods_of_order(order: Order) -> dict[str, int]:
    """Map articles (or SKUs that are none of our products) to the pieces ordered."""
    goods: Counter[str] = Counter()
    for line in order.lines.all():
        if line.quantity:
            goods[line.product.article if line.product else line.sku] += line.quantity
    return dict(goods)


def supplied_of_order(order: Order) -> dict[str, int]:
    """Map articles to the pieces that Al-Style must give for an order."""
    pieces: dict[str, int] = {}
    for line in order.lines.all():
        if line.quantity and line.product:
            article = line.product.article
            pieces[article] = pieces.get(article, 0) + line.quantity
    by = {
        x.product.article: x.product.multiplicity
        for x in order.lines.all()
        if x.product
    }
    return {a: supplied_quantity(n, by[a]) for a, n in pieces.items()}


def goods_of(reservation: Reservation) -> dict[str, int]:
    return {line.product.article: line.quantity for line in reservation.lines.all()}


def has_step(
    order: Order, kind: Step.Kind, *statuses: str, since: datetime | None = None
) -> bool:
    """Tell whether the order has such a step, asked for since a moment."""
    return any(
        step.kind == kind
        and (not statuses or step.status in statuses)
        and (since is None or step.created_at >= since)
        for step in order.steps.all()
    )


IN_HAND = (*Step.OPEN, Step.Status.REFUSED)


class _Whole:
    """An order with its reservations, the open one in front."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.all = sorted(order.reservations.all(), key=lambda r: r.pk)
        self.open = next((r for r in self.all if r.status in Reservation.OPEN), None)

    def _say(
        self, kind: Finding.Kind, text: str, facts: Mapping[str, Any], of: str = ""
    ) -> Contradiction:
        return Contradiction(
            kind=kind,
            subject=of or f"order {self.order.code}",
            text=text,
            facts=facts,
            order=self.order,
        )

    def not_shown(self) -> Iterator[Contradiction]:
        """Kaspi does not show the order, and nothing says what became of it."""
        order = self.order
        if not order.is_gone or order.ended_at is not None:
            return
        text = _(
            "Kaspi no longer shows this order: look in its cabinet, then close it here"
        )
        told = any(
            step.is_stuck and step.reason == Reason.NOT_SHOWN
            for step in order.steps.all()
        )
        one = self._say(Kind.NOT_SHOWN, text, {"since": str(order.absent_since)})
        yield replace(one, stands=not told)

    def unknown_state(self) -> Iterator[Contradiction]:
        """Kaspi's word for where the order stands is new: nothing more is done."""
        order = self.order
        if not order.is_in_unknown_state or order.ended_at is not None:
            return
        text = _(
            "Kaspi shows the order as %(state)s, %(status)s, which the bridge does not "
            "know: look in its cabinet"
        )
        facts = {"state": order.state, "status": order.status}
        told = has_step(order, Step.Kind.RESERVE, *Step.STUCK)
        one = self._say(Kind.UNKNOWN_STATE, text % facts, facts)
        yield replace(one, stands=not told)

    def not_released(self) -> Iterator[Contradiction]:
        """Goods are held, the buyer will not get them, and nobody sees to it."""
        held, order = self.open, self.order
        if held is None or not held.has_goods or not order.is_called_off:
            return
        if order.handed_over_at or held.has_left_stock:
            return
        if has_step(order, Step.Kind.RELEASE, *IN_HAND, since=held.created_at):
            return
        text = _(
            "The order is called off, and Al-Style still holds its goods "
            "(%(number)s): release them"
        )
        figures = {"number": held.supplier_order or _("reserved by hand")}
        yield self._say(Kind.NOT_RELEASED, text % figures, {"reservation": held.pk})

    def open_of_ended(self) -> Iterator[Contradiction]:
        """The order has ended, and its goods count against the stock for ever."""
        held, order = self.open, self.order
        if held is None or order.ended_at is None or not order.has_ended:
            return
        if held.status == Reservation.Status.RELEASING or any(self.not_released()):
            return
        if has_step(order, Step.Kind.RELEASE, *IN_HAND, since=held.created_at):
            return
        # What is being bought is to be found first.
        is_asked = has_step(order, Step.Kind.RESERVE, *Step.UNSETTLED)
        if is_asked or any(p.is_unsettled for p in held.purchases.all()):
            return
        text = _(
            "The order has ended, and its goods are still reserved (%(status)s): "
            "release them, or note that they are released"
        )
        figures = {"status": held.get_status_display()}
        facts = {"reservation": held.pk, "status": held.status}
        yield self._say(Kind.OPEN_OF_ENDED, text % figures, facts)

    def no_goods(self) -> Iterator[Contradiction]:
        """Accepted at Kaspi, or to be, and neither held nor being reserved."""
        order = self.order
        if order.handed_over_at or order.ended_at:
            return
        text = _("The order is accepted at Kaspi, and no goods are reserved for it")
        if order.awaits_accept:
            # What is wanted has an age of its own.
            if self.open is not None or self._is_end_in_hand():
                return
            text = _("The order waits to be accepted, and no goods are reserved for it")
        elif order.status != Order.ACCEPTED:
            return
        if any(r.status in Reservation.SERVING for r in self.all):
            return
        if has_step(order, Step.Kind.RESERVE, *IN_HAND) or self._was_consented():
            return
        facts = {"reservations": [[r.pk, r.status] for r in self.all]}
        yield self._say(Kind.NO_GOODS, text, facts)

    def _is_end_in_hand(self) -> bool:
        """Tell whether a cancel, or an accept, which says what it lacks, is in hand."""
        kinds = (Step.Kind.ACCEPT, Step.Kind.CANCEL)
        return any(has_step(self.order, kind, *IN_HAND) for kind in kinds)

    def _was_consented(self) -> bool:
        """Tell whether a person, or the owner's setting, wanted it accepted so."""
        accepts = (s for s in self.order.steps.all() if s.kind == Step.Kind.ACCEPT)
        return any(step.parameters.get("unreserved") for step in accepts)

    def other_lines(self) -> Iterator[Contradiction]:
        """Order, reservation and Al-Style's order say different goods."""
        held, order = self.open, self.order
        if held is None or order.is_over or order.handed_over_at:
            return
        # One still wanted follows the order by itself, or its step says why not.
        if not held.has_goods:
            return
        wanted, reserved = goods_of_order(order), goods_of(held)
        if held.status == Reservation.Status.BY_HAND:
            # Whoever reserved by hand saw to what is none of our products, too.
            unknown = {x.sku for x in order.lines.all() if x.product is None}
            wanted = {a: n for a, n in wanted.items() if a not in unknown}
        if wanted != reserved and not self._is_being_trimmed(held):
            yield self._order_lines(held, wanted, reserved)
        if held.supplier_order is None:
            return
        whole = whole_order(held.supplier_order)
        if whole.status == SupplierOrder.MERGED:
            text = _(
                "Al-Style merged order %(number)s and does not say into which: ask its "
                "manager where this order's goods are"
            )
            facts = {"merged": str(whole), "reservation": held.pk}
            yield self._say(Kind.SUPPLIER_LINES, text % {"number": whole}, facts)
        elif whole.lines and not whole.is_cancelled and not whole.has_left_stock:
            mine = {x.product.article: x.supplied_quantity for x in held.lines.all()}
            # One that is shared is compared as a whole.
            reason = difference_of(whole) if whole.quantities != mine else ""
            if reason:
                facts = {"lines": [line[:2] for line in whole.lines], "ours": reserved}
                yield self._say(Kind.SUPPLIER_LINES, reason, facts)
        elif not whole.lines:
            yield from self._purchase_lines(held)

    def _is_being_trimmed(self, held: Reservation) -> bool:
        """Tell whether Al-Style's order is being made smaller, or a step says why not.

        Whatever else does not fit is told when that has come to its end.
        """
        return has_step(self.order, Step.Kind.TRIM, *IN_HAND, since=held.created_at)

    def _order_lines(
        self, held: Reservation, wanted: dict[str, int], reserved: dict[str, int]
    ) -> Contradiction:
        less, more = beyond(reserved, wanted), beyond(wanted, reserved)
        number = held.supplier_order or _("reserved by hand")
        parts = []
        if less:
            text = _(
                "The buyer took a line off: have it taken out of Al-Style's order "
                "%(number)s (%(goods)s)"
            )
            parts.append(text % {"number": number, "goods": shown(less)})
        if more:
            text = _("The order has more than is reserved (%(number)s): %(goods)s")
            parts.append(text % {"number": number, "goods": shown(more)})
        facts = {"order": wanted, "reserved": reserved, "reservation": held.pk}
        return self._say(Kind.ORDER_LINES, "; ".join(parts), facts)

    def left_over(self) -> Iterator[Contradiction]:
        """A line was taken off when Al-Style had sent its goods already."""
        order = self.order
        if self.open is not None or order.is_over:
            return
        sent = [r for r in self.all if r.status == Reservation.Status.SHIPPED]
        if not sent or self._is_being_trimmed(sent[-1]):
            return
        wanted, shipped = goods_of_order(order), goods_of(sent[-1])
        less = beyond(shipped, wanted)
        if not less:
            return
        text = _(
            "The buyer took a line off after Al-Style had shipped (%(number)s): "
            "%(goods)s come all the same and stay with you, unless Al-Style takes "
            "them back"
        )
        number = sent[-1].supplier_order or _("reserved by hand")
        facts = {"order": wanted, "shipped": shipped, "reservation": sent[-1].pk}
        figures = {"number": number, "goods": shown(less)}
        yield self._say(Kind.ORDER_LINES, text % figures, facts)

    def shipped_in_vain(self) -> Iterator[Contradiction]:
        """The order was called off, and Al-Style has sent its goods."""
        order = self.order
        if self.open is not None or order.handed_over_at:
            return
        # What a buyer returns was with him.
        if order.status not in (Order.CANCELLING, Order.CANCELLED):
            return
        sent = [r for r in self.all if r.status == Reservation.Status.SHIPPED]
        if not sent:
            return
        shipped = goods_of(sent[-1])
        text = _(
            "The order is called off, and Al-Style has shipped (%(number)s): %(goods)s "
            "come all the same and stay with you, unless Al-Style takes them back"
        )
        number = sent[-1].supplier_order or _("reserved by hand")
        facts = {"called_off": True, "shipped": shipped, "reservation": sent[-1].pk}
        figures = {"number": number, "goods": shown(shipped)}
        yield self._say(Kind.ORDER_LINES, text % figures, facts)

    def _purchase_lines(self, held: Reservation) -> Iterator[Contradiction]:
        """Until Al-Style's order is read, what was put into the cart tells."""
        made = [p for p in held.purchases.all() if p.status == Purchase.Status.MADE]
        for purchase in made[:1]:
            wanted: Counter[str] = Counter()
            for one in purchase.reservations.prefetch_related("lines__product"):
                for line in one.lines.all():
                    wanted[line.product.article] += line.supplied_quantity
            if dict(wanted) == purchase.quantities:
                continue
            text = _(
                "Purchase %(purchase)s bought other goods than are reserved: "
                "%(bought)s instead of %(goods)s"
            )
            figures = {
                "purchase": purchase,
                "bought": shown(purchase.quantities),
                "goods": shown(wanted),
            }
            facts = {"bought": purchase.quantities, "reserved": dict(wanted)}
            yield self._say(Kind.PURCHASE_LINES, text % figures, facts)

    def purchases(self) -> Iterator[Contradiction]:
        """What was bought for the order, and whose it is now."""
        if has_step(self.order, Step.Kind.RESERVE, *Step.UNSETTLED):
            return
        for reservation in self.all:
            made = [
                purchase
                for purchase in reservation.purchases.all()
                if purchase.status == Purchase.Status.MADE
            ]
            if len({p.supplier_order_id for p in made}) > 1:
                text = _("Bought twice for this order: Al-Style's orders %(numbers)s")
                numbers = sorted(str(p.supplier_order) for p in made)
                yield self._say(
                    Kind.BOUGHT_TWICE,
                    text % {"numbers": ", ".join(numbers)},
                    {"numbers": numbers},
                )
            elif made:
                yield from self._whose(reservation, made[0])
            for purchase in reservation.purchases.all():
                yield from self._number(purchase)

    def _whose(
        self, reservation: Reservation, purchase: Purchase
    ) -> Iterator[Contradiction]:
        ours, bought = reservation.supplier_order, purchase.supplier_order
        if bought is None or bought.is_cancelled or bought.has_left_stock:
            return
        if ours is not None and whole_order(ours) == whole_order(bought):
            return
        text = _("Al-Style's order %(number)s was bought, and no reservation holds it")
        facts = {
            "number": str(bought),
            "reservation": [reservation.pk, str(ours or "")],
        }
        yield self._say(Kind.NOT_HELD, text % {"number": bought}, facts)

    def _number(self, purchase: Purchase) -> Iterator[Contradiction]:
        """A number that was answered must be that of the order it became."""
        supplied = purchase.supplier_order
        if not purchase.number or purchase.is_unsettled:
            return
        known = [supplied.supplier_order_id, supplied.listed_id] if supplied else []
        if purchase.number in known:
            return
        text = _(
            "Al-Style answered purchase %(purchase)s with order %(number)s, but it is "
            "kept as %(kept)s"
        )
        kept = str(supplied or purchase.get_status_display())
        figures = {"purchase": purchase, "number": purchase.number, "kept": kept}
        facts = {"number": purchase.number, "kept": str(supplied or "")}
        of = f"purchase {purchase.pk}, order {self.order.code}"
        yield self._say(Kind.OTHER_NUMBER, text % figures, facts, of=of)


def shown(goods: Mapping[str, int]) -> str:
    return ", ".join(f"{article} × {number}" for article, number in goods.items())
