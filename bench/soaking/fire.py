"""The fire: both peers misbehave, workers are killed, a manager uses the cart."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from sandbox import AlStyleServer, KaspiServer

# Longer than the bridge waits for an answer.
STALL_S = 1.6
DROPPED, FAILING = 0.10, 0.10
SHIPPED = ("P", "F")
LOOK_EVERY_S = 1.0
# After so many submits one more is lost, besides the one in ten.
LOST_AFTER = (1, 6, 12)


def set_fire(supplier: AlStyleServer, kaspi: KaspiServer) -> None:
    """Switch the faults of both peers on, each with its own seeded dice."""
    throttles: tuple[tuple[AlStyleServer | KaspiServer, dict[str, Any]], ...] = (
        (supplier, {"variant": supplier.settings.interval_variant, "interval": 1}),
        (kaspi, {"variant": "429", "retry_after": 1}),
    )
    for peer, throttle in throttles:
        add = peer.faults.add
        add("drop_after_work", probability=DROPPED)
        add("status", code=502, probability=FAILING / 2)
        add("status", code=500, after_work=True, probability=FAILING / 2)
        add("throttle", probability=0.02, **throttle)
        add("stall", probability=0.01, seconds=STALL_S)
        add("stall", probability=0.01, seconds=STALL_S, after_work=True)
        add("html", probability=0.01, after_work=True)
        add("truncate", probability=0.01, honest=False)
        add("drop_before_work", probability=0.01)


def lose_submits(supplier: AlStyleServer) -> None:
    """Lose the answers of some submits for sure, early and late."""
    for skip in LOST_AFTER:
        supplier.faults.add("drop_after_work", "submit", times=1, skip=skip)


def put_out(supplier: AlStyleServer, kaspi: KaspiServer) -> dict[str, int]:
    """Switch the faults off and tell how often each struck.

    Submits that are still to be lost stay so: the calm is when most are sent.
    """
    struck: dict[str, int] = {}
    for peer in (supplier, kaspi):
        for fault in peer.faults.active():
            kind = str(fault["kind"])
            struck[kind] = struck.get(kind, 0) + int(fault["fired"])
            if fault["times"] is None:
                peer.faults.clear(fault["id"])
    with supplier.lock:
        supplier.others.go_home()
    return struck


@dataclass
class Workers:
    """The workers of two machines, replaced as they are killed."""

    tell: Callable[[str], str]
    machines: int = 2
    kills: int = 0
    pids: list[tuple[str, int]] = field(default_factory=list)

    def start_all(self) -> None:
        """Start an orders and an imports worker for each machine."""
        for name in ("orders", "imports") * self.machines:
            self._start(name)

    def kill_one(self, dice: random.Random) -> None:
        """Kill a worker, wherever it is, and start another in its place."""
        name, pid = self.pids.pop(dice.randrange(len(self.pids)))
        self.tell(f"kill {pid}")
        self.kills += 1
        self._start(name)

    def kill_all(self) -> None:
        while self.pids:
            self.tell(f"kill {self.pids.pop()[1]}")

    def _start(self, name: str) -> None:
        self.pids.append((name, int(self.tell(f"start {name}"))))


class Manager:
    """A person who uses the same cart, and the supplier's staff who merge orders.

    The rows come while the cart is empty of ours: between the reading that verifies
    it and the submit no caller could notice them. Their articles are ones the shop
    does not sell: whether `add` replaces a row of the same article is unpublished.
    """

    def __init__(
        self, supplier: AlStyleServer, kaspi: KaspiServer, *, dice: random.Random
    ) -> None:
        self._supplier, self._dice = supplier, dice
        self._articles = [
            good.article
            for good in supplier.goods.values()
            if str(good.article) not in kaspi.picture
        ]
        self.rows = self.merges = 0

    def come(self) -> bool:
        """Put a row into the cart unless the bridge is in the middle of it."""
        with self._supplier.lock:
            if self._supplier.cart.rows:
                return False
            self._supplier.add_foreign_row(self._dice.choice(self._articles), 2)
            self.rows += 1
            return True

    def leave(self) -> None:
        self._supplier.drop_foreign_rows()

    def merge_two(self) -> None:
        """Merge two young orders that the bridge knows."""
        from orders.models import Reservation

        held = Reservation.objects.filter(
            status=Reservation.Status.HELD, supplier_order__merged_into=None
        ).order_by("-pk")
        numbers = held.values_list("supplier_order__supplier_order_id", flat=True)[:8]
        with self._supplier.lock:
            young = [
                order
                for number in numbers
                if (order := self._supplier.orders.find(number)) is not None
                and order.status in (None, "N", "R")
                and order.cancel_due is None
            ]
            if len(young) >= 2:
                self._supplier.merge_orders(young[1].id, young[0].id)
                self.merges += 1


class Operator:
    """Empties the cart at the portal when told for long that it is occupied.

    Whose a row is that somebody changed beside ours, nobody but people can know.
    """

    def __init__(self, supplier: AlStyleServer, *, scale: float) -> None:
        self._supplier, self._scale = supplier, scale
        self.times = 0
        self._looks_at_s = 0.0

    def turn(self) -> None:
        if time.monotonic() < self._looks_at_s:
            return
        self._looks_at_s = time.monotonic() + LOOK_EVERY_S
        from django.utils import timezone

        from orders.models import Purchase
        from orders.needs import CART_OCCUPIED_LONG

        begun = Purchase.objects.exclude(status=Purchase.Status.OPENED)
        kept_out = list(takewhile(lambda p: p.was_kept_out, begun.iterator()))
        if not kept_out:
            return
        if timezone.now() - kept_out[-1].created_at > CART_OCCUPIED_LONG / self._scale:
            self.times += self._supplier.empty_cart_by_hand()


class Porter:
    """Fetches at the supplier what is handed over at Kaspi: it cannot lie there still.

    An order that others were merged with goes when all that is in it has gone.
    """

    def __init__(self, supplier: AlStyleServer, kaspi: KaspiServer) -> None:
        self._supplier, self._kaspi = supplier, kaspi
        self._fetched: set[str] = set()

    def turn(self) -> None:
        with self._kaspi.lock:
            gone = {
                order.code
                for order in self._kaspi.orders.values()
                if order.handed or order.status == "COMPLETED"
            }
        if gone <= self._fetched:
            return
        self._fetched |= gone
        book = self._supplier.book()
        every = {made["id"]: made for made in book}
        for made in book:
            if not made["live"] or made["status"] in SHIPPED:
                continue
            parts = [made]
            for part in parts:
                parts += [every[number] for number in part["merged_from"]]
            codes = {code for part in parts for code in part["comments"].split()}
            if made["by"] == "api" and codes and codes <= gone:
                self._supplier.set_order(made["id"], SHIPPED[0])


class Cutter:
    """Kaspi takes a piece of a line away: a buyer has thought better of it."""

    def __init__(self, kaspi: KaspiServer, *, dice: random.Random) -> None:
        self._kaspi, self._dice = kaspi, dice
        self.codes: set[str] = set()

    def cut_one(self) -> None:
        """Cut an order that is neither signed for nor handed over."""
        with self._kaspi.lock:
            lines = [
                (order.code, entry)
                for order in self._kaspi.orders.values()
                if order.status in ("APPROVED_BY_BANK", "ACCEPTED_BY_MERCHANT")
                and not order.handed
                and order.code not in self.codes
                and sum(entry.quantity for entry in order.entries) > 1
                for entry in order.entries
                if entry.quantity
            ]
            if lines:
                code, entry = self._dice.choice(lines)
                self._kaspi.cut_line(code, entry.number, entry.quantity - 1)
                self.codes.add(code)
