"""Kaspi's order desk: makes orders of what is on sale, moves them on, keeps books."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

from sandbox.clock import DAY_S, Clock
from sandbox.kaspi.fetching import PriceListReader
from sandbox.kaspi.life import OrderLife
from sandbox.kaspi.orders import (
    ACCEPTED,
    CANCELLED,
    FATES,
    KINDS,
    STATE_OF_KIND,
    Buyer,
    Entry,
    KaspiOrder,
    product_number,
)
from sandbox.kaspi.settings import KaspiSettings

FIRST_CODE = 703_214_000
STOCK_UNSTATED = 5
NAMES = ("Тест", "Проба", "Образец", "Пример")
KIND_SHARES = (("kaspi", 66), ("postomat", 14), ("pickup", 14), ("delivery", 6))
FATE_SHARES = (
    ("fulfil", 79),
    ("buyer_cancels_new", 4),
    ("buyer_cancels", 7),
    ("cancelled_in_transit", 5),
    ("returned", 5),
)
CITIES = ("750000000", "710000000", "511010000", "351010000")


class OrderDesk:
    """All orders by code. Not locked: the server locks."""

    def __init__(
        self,
        *,
        reader: PriceListReader,
        settings: KaspiSettings,
        clock: Clock,
        seed: int,
    ) -> None:
        self.orders: dict[str, KaspiOrder] = {}
        self.skus: dict[str, str] = {}
        self._by_id: dict[str, KaspiOrder] = {}
        self._entries: dict[str, tuple[KaspiOrder, Entry]] = {}
        self.life = OrderLife(settings)
        self.settings = settings
        self.dice = random.Random(seed)
        self._reader = reader
        self._clock = clock
        self.last = FIRST_CODE
        # What was ordered since the list was loaded: Kaspi counts its stock down.
        self._taken: Counter[str] = Counter()
        self._taken_of = 0

    def now(self) -> float:
        return self._clock.timestamp()

    def settle(self) -> None:
        if not self.settings.states_move:
            return
        now = self.now()
        for order in self.orders.values():
            self.life.settle(order, now)

    def find(self, *, code: str = "", id: str = "") -> KaspiOrder | None:
        return self.orders.get(code) if code else self._by_id.get(id)

    def find_entry(self, entry_id: str) -> tuple[KaspiOrder, Entry] | None:
        return self._entries.get(entry_id)

    def left(self, sku: str) -> int:
        """Return the pieces Kaspi believes are still on sale."""
        offer = self._reader.picture.get(sku)
        if offer is None or not offer.available:
            return 0
        if self._taken_of != self._reader.loads:
            self._taken.clear()
            self._taken_of = self._reader.loads
        stock = STOCK_UNSTATED if offer.stock is None else offer.stock
        return stock - self._taken[sku]

    # -- making orders ----------------------------------------------------------------

    def new_order(
        self,
        lines: list[dict[str, Any]] | None = None,
        *,
        kind: str = "kaspi",
        fate: str = "fulfil",
        credit: bool = False,
        accepted: bool = False,
        age_s: float = 0.0,
        **fields: Any,
    ) -> KaspiOrder:
        """Make an order; without lines, of one good on sale.

        A line is {sku, quantity=1, price, name, unit_type, weight, needs_imei,
        shows_offer, shows_product, raw}; the SKU need not be on sale. `credit`: papers
        to sign first. `accepted`: Kaspi has accepted it by itself. Other fields are
        KaspiOrder's.
        """
        if kind not in KINDS or fate not in FATES:
            raise ValueError(f"no such kind or fate: {kind}, {fate}")
        chosen = lines if lines is not None else self._some_lines(1)
        entries = [self._entry(n, line) for n, line in enumerate(chosen)]
        self.last += self.dice.randint(1, 400)
        created = self.now() - age_s
        order = KaspiOrder(
            code=fields.pop("code", str(self.last)),
            entries=entries,
            buyer=self._buyer(),
            created=created,
            at=time.monotonic(),
            kind=kind,
            fate=fate,
            **self._money(kind) | fields,
        )
        self._plan(order, credit=credit)
        if accepted:
            order.state, order.status = STATE_OF_KIND[kind], ACCEPTED
            order.marks["accepted"] = created
        self.take_in(order)
        return order

    def take_in(self, order: KaspiOrder) -> None:
        """Put an order into the books."""
        self.orders[order.code] = self._by_id[order.id] = order
        for entry in order.entries:
            self._entries[order.entry_id(entry)] = (order, entry)

    def _entry(self, number: int, line: dict[str, Any]) -> Entry:
        sku = str(line.get("sku", ""))
        offer = self._reader.picture.get(sku)
        defaults: dict[str, Any] = {
            "quantity": 1,
            "price": float(offer.price) if offer is not None else 1000.0,
            "name": offer.model if offer is not None else "Товар вне прайс-листа",
        }
        self.left(sku)
        entry = Entry(**{"number": number, **defaults, **line, "sku": sku})
        self._taken[sku] += max(0, int(entry.quantity))
        self.skus[product_number(sku)] = sku
        return entry

    def _buyer(self) -> Buyer:
        number = len(self.orders) % 9_999_999 + 1
        return Buyer(
            first_name=self.dice.choice(NAMES),
            last_name=self.dice.choice("АБВГДЕИКЛМНОПРСТ"),
            phone=f"700{number:07d}",
        )

    def _money(self, kind: str) -> dict[str, Any]:
        carried = kind in ("kaspi", "postomat")
        return {
            "fee": float(self.dice.choice((699, 1099, 1599))) if carried else 0.0,
            "delivery_cost": 0.0 if carried else 1000.0 * (kind == "delivery"),
            "city": self.dice.choice(CITIES),
        }

    def _plan(self, order: KaspiOrder, *, credit: bool) -> None:
        if credit:
            order.payment_mode, order.credit_term = "PAY_WITH_CREDIT", 12
            order.signature_required, order.state = True, "SIGN_REQUIRED"
        order.approved = None if order.signature_required else order.created + 24
        order.deadline = self.life.accept_by(order, order.approved or order.created)
        days = order.preorder_days or (0 if order.express else 3)
        order.planned_delivery = order.created + max(3600.0, days * DAY_S)
        if order.is_kaspi_delivery:
            wait = 7200.0 if order.express else self.settings.handover_within_s
            order.handover_deadline = (
                order.created + wait + (order.preorder_days or 0) * DAY_S
            )

    def generate(self, count: int = 1) -> list[KaspiOrder]:
        """Make orders as buyers would, within the stock that is on sale."""
        made = []
        for _ in range(count):
            lines = self._some_lines(self.dice.choices((1, 2, 3), (80, 15, 5))[0])
            if not lines:
                break
            made.append(self._like_a_buyers(lines))
        return made

    def _like_a_buyers(self, lines: list[dict[str, Any]]) -> KaspiOrder:
        kind = self._weighed(KIND_SHARES)
        credit = self.dice.random() < 0.12
        fate = self._weighed(FATE_SHARES)
        if credit and self.dice.random() < 0.2:
            fate = "unsigned"
        elif kind == "pickup" and self.dice.random() < 0.15:
            fate = "never_collected"
        elif kind in ("pickup", "delivery") and fate in (
            "cancelled_in_transit",
            "returned",
        ):
            fate = "fulfil"
        waits = [self._reader.picture[line["sku"]].preorder_days for line in lines]
        preorder = max((days for days in waits if days), default=None)
        express = kind == "kaspi" and preorder is None and self.dice.random() < 0.08
        return self.new_order(
            lines,
            kind=kind,
            fate=fate,
            credit=credit,
            express=express,
            preorder_days=preorder,
            masked_phone=self.dice.random() < 0.2,
        )

    def _some_lines(self, count: int) -> list[dict[str, Any]]:
        on_sale = [sku for sku in self._reader.picture if self.left(sku) > 0]
        chosen = self.dice.sample(on_sale, min(count, len(on_sale)))
        lines = []
        for sku in chosen:
            wanted = self.dice.choices((1, 2, 3), (85, 11, 4))[0]
            lines.append({"sku": sku, "quantity": min(wanted, self.left(sku))})
        return lines

    def _weighed(self, shares: tuple[tuple[str, int], ...]) -> str:
        names, weights = zip(*shares, strict=True)
        return str(self.dice.choices(names, weights)[0])

    # -- books ------------------------------------------------------------------------

    def book(self) -> list[dict[str, Any]]:
        return [page_of_book(order) for order in self.orders.values()]


def page_of_book(order: KaspiOrder) -> dict[str, Any]:
    return asdict(order) | {
        "id": order.id,
        "total": order.total,
        "accepted": len(order.accepted_writes(ACCEPTED)),
        "assembled_times": len(order.accepted_writes("ASSEMBLE")),
        "cancelled_by_us": len(order.accepted_writes(CANCELLED)),
    }
