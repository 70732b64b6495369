"""Both peers, buyers who order all the time, and what their books say afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.soaking.buyers import KASPI_LIFE, SUPPLIER_LIFE
from bench.soaking.ground import MERCHANT_ID
from sandbox import AlStyleServer, KaspiServer, wait_until
from sandbox.alstyle.invented import invented_shop
from sandbox.audit import audit

GOODS = 60
# Nobody is to meet an empty shelf: that would be another story.
PLENTY = 20_000
INTERVAL_S = 0.2
ORDER_EVERY_S = 3.0
FETCH_EVERY_S = 20.0
# The soak's world, slower: an order waits a minute until it is read.
SLOWER = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of some orders, by both peers' books and the bridge's reasons."""

    orders: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    # Neither: a person is told, or the bridge has still to look.
    waiting: tuple[str, ...]


@dataclass
class Shop:
    """The peers; `with Shop() as shop`."""

    seed: int = 1
    _left: ExitStack = field(default_factory=ExitStack)
    _is_shut: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.supplier = AlStyleServer(
            interval_s=INTERVAL_S * 0.9,
            seed=self.seed,
            shop=invented_shop(seed=self.seed, count=GOODS),
            life=[(status, after_s * SLOWER) for status, after_s in SUPPLIER_LIFE],
            stock_falls="shipping",
        )
        life = {name: after_s * SLOWER for name, after_s in KASPI_LIFE.items()}
        self.kaspi = KaspiServer(merchant_id=MERCHANT_ID, seed=self.seed, **life)
        self.dice = random.Random(self.seed)
        for good in self.supplier.goods.values():
            good.stock = PLENTY

    def __enter__(self) -> Shop:
        self._left.enter_context(self.supplier)
        self._left.enter_context(self.kaspi)
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_shut.set()
        self._left.close()

    def open(self, list_url: str) -> None:
        """Let Kaspi fetch the list, and buyers come."""
        self.kaspi.set_feed(list_url)
        if not wait_until(self._is_on_sale, timeout_s=60):
            raise SystemExit(f"no price list: {self.kaspi.fetches[-1:]}")
        self.kaspi.every(FETCH_EVERY_S, self.kaspi.fetch_now)
        threading.Thread(target=self._let_buyers_come, daemon=True).start()

    def _is_on_sale(self) -> bool:
        time.sleep(0.2)
        return self.kaspi.fetch_now().on_sale > 0

    def _let_buyers_come(self) -> None:
        while not self._is_shut.wait(self.dice.expovariate(1 / ORDER_EVERY_S)):
            self.kaspi.generate(1)

    def shut(self) -> None:
        """Let no buyer come any more, and nothing change by itself."""
        self._is_shut.set()
        self.supplier.change_settings(statuses_move=False)
        self.kaspi.change_settings(states_move=False)

    def codes(self) -> set[str]:
        return set(self.kaspi.orders)

    def judge(self, codes: Collection[str]) -> Verdict:
        """Judge these orders; needs Django on the bridge's database."""
        found = audit(self.supplier.book(), self.kaspi.book())
        book = {order["code"]: order for order in self.kaspi.book()}
        twice = [code for code, order in book.items() if order["accepted"] > 1]
        doubled = {*found.served_twice, *found.assembled_twice, *twice}
        hanging = {*found.unserved, *found.unreleased}
        waiting = hanging & _cared_for()
        # Promised to the buyer with nothing behind it: no person makes that good.
        lost = (hanging - waiting) | {*found.accepted_unserved}
        return Verdict(
            orders=len(codes),
            lost=tuple(sorted(lost.intersection(codes))),
            doubled=tuple(sorted(doubled.intersection(codes))),
            waiting=tuple(sorted(waiting.intersection(codes))),
        )

    def of_nobody(self) -> list[str]:
        """Give what was bought for no order, and what holds other goods than asked."""
        found = audit(self.supplier.book(), self.kaspi.book())
        return [*found.owned_by_nobody, *found.wrong_lines]


def _cared_for() -> set[str]:
    """Give the orders for which a step is to be done, or a person is told."""
    from orders.models import Step

    kinds = (Step.Kind.RESERVE, Step.Kind.RELEASE)
    open_or_told = Step.objects.filter(kind__in=kinds).exclude(
        status__in=(Step.Status.DONE, Step.Status.SKIPPED)
    )
    return set(open_or_told.values_list("order__code", flat=True))
