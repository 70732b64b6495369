"""Keep both peers' state in a file, so that a restart goes on where the last one was.

Kept are orders, the cart, stock and prices. What was answered to a write is in the file
before the answer goes out; what time brings is within two seconds.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sandbox.alstyle.cart import CartRow
from sandbox.alstyle.orders import FIRST_NOTE, FIRST_ORDER, OrderedLine, SupplierOrder
from sandbox.alstyle.server import AlStyleServer
from sandbox.kaspi.desk import FIRST_CODE
from sandbox.kaspi.orders import Buyer, Entry, KaspiOrder, Waybill, Write
from sandbox.kaspi.server import KaspiServer

VERSION = 1
SAVE_EVERY_S = 2.0
# Of each peer; older ones are forgotten.
MOST_ORDERS = 1000
FIGURES = ("stock", "shown_above", "price1", "price2")
# A fresh state begins above all that any earlier one can have used: numbers go up with
# time, faster than the demo makes orders.
EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp()
ORDERS_A_MINUTE = 1
CODES_A_SECOND = 10

State = dict[str, Any]


class StateRefused(Exception):
    """The file is not what a sandbox of this version wrote."""


class Keeper:
    """Loads once, then saves; `path` is a JSON file, beside it one with the numbers."""

    def __init__(self, path: Path, alstyle: AlStyleServer, kaspi: KaspiServer) -> None:
        self.path = path
        self.numbers_path = path.with_name(f"{path.stem}-numbers{path.suffix}")
        self._alstyle, self._kaspi = alstyle, kaspi
        self._lock = threading.Lock()
        self._parts: dict[str, str] = {}
        self._written = ""

    def load(self) -> str:
        """Take the kept state in, or begin above all numbers used; say which."""
        path = self.path
        if not path.is_file():
            first = self._begin_fresh()
            return f"The sandbox begins anew with order {first}."
        try:
            state = read_state(path)
            self._take_in(state)
        except StateRefused as refusal:
            aside = path.with_name(path.name + ".refused")
            path.replace(aside)
            first = self._begin_fresh()
            return (
                f"The sandbox's state in {path} is refused: {refusal}. It is put aside "
                f"as {aside.name}, and a fresh one begins with order {first}."
            )
        orders = len(self._kaspi.desk.orders)
        return f"The sandbox goes on with {orders} orders of {path}."

    def keep(self) -> None:
        """Save from now on: before each write is answered, and every few seconds."""
        for peer, save in (
            (self._alstyle, self._save_alstyle),
            (self._kaspi, self._save_kaspi),
        ):
            save()
            peer.after_write = save
            peer.every(SAVE_EVERY_S, save)

    def save(self) -> None:
        self._save_alstyle()
        self._save_kaspi()

    def _save_alstyle(self) -> None:
        with self._alstyle.lock:
            self._save("alstyle", alstyle_state(self._alstyle))

    def _save_kaspi(self) -> None:
        with self._kaspi.lock:
            self._save("kaspi", kaspi_state(self._kaspi))

    def _save(self, part: str, state: State) -> None:
        # Held together with one peer's lock, never with both: no two can block.
        with self._lock:
            self._parts[part] = _canonical(state)
            if len(self._parts) < 2:
                return
            body = (
                f'{{"alstyle":{self._parts["alstyle"]},"kaspi":{self._parts["kaspi"]}}}'
            )
            if body == self._written:
                return
            digest = hashlib.sha256(body.encode()).hexdigest()
            _replace(self.numbers_path, _canonical(self._numbers()))
            _replace(
                self.path,
                f'{{"version":{VERSION},"sha256":"{digest}","state":{body}}}\n',
            )
            self._written = body

    def _numbers(self) -> dict[str, int]:
        return {
            "order": self._alstyle.orders.last,
            "note": self._alstyle.orders.last_note,
            "item": self._alstyle.cart.last_item,
            "code": self._kaspi.desk.last,
        }

    def _begin_fresh(self) -> int:
        numbers = _numbers_in(self.numbers_path)
        passed_s = max(0.0, self._alstyle.clock.timestamp() - EPOCH)
        minutes = int(passed_s / 60)
        least = {
            "order": FIRST_ORDER + minutes * ORDERS_A_MINUTE,
            "note": FIRST_NOTE + minutes * ORDERS_A_MINUTE,
            "item": self._alstyle.cart.last_item + minutes,
            "code": FIRST_CODE + int(passed_s * CODES_A_SECOND),
        }
        self._go_on_from(
            {name: max(n, numbers.get(name, 0)) for name, n in least.items()}
        )
        return self._alstyle.orders.last + 1

    def _go_on_from(self, numbers: dict[str, int]) -> None:
        orders, desk = self._alstyle.orders, self._kaspi.desk
        orders.last, orders.last_note = numbers["order"], numbers["note"]
        self._alstyle.cart.last_item = numbers["item"]
        desk.last = numbers["code"]
        # The same dice would throw the same waybill numbers again.
        desk.dice.seed(numbers["code"])

    def _take_in(self, state: State) -> None:
        try:
            orders = [_supplier_order(raw) for raw in state["alstyle"]["orders"]]
            rows = [CartRow(**raw) for raw in state["alstyle"]["cart"]]
            goods = {int(a): dict(g) for a, g in state["alstyle"]["goods"].items()}
            bought = [_kaspi_order(raw) for raw in state["kaspi"]["orders"]]
            skus = dict(state["kaspi"]["skus"])
            numbers = {str(k): int(v) for k, v in state["alstyle"]["numbers"].items()}
            numbers["code"] = int(state["kaspi"]["last"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateRefused(f"it lacks or mistakes {error}") from error
        with self._alstyle.lock:
            for article, figures in goods.items():
                if article in self._alstyle.goods:
                    self._alstyle.shop.set_good(article, **figures)
            self._alstyle.orders.orders = {order.id: order for order in orders}
            self._alstyle.cart.rows = {row.item_id: row for row in rows}
        with self._kaspi.lock:
            for order in bought:
                self._kaspi.desk.take_in(order)
            self._kaspi.desk.skus.update(skus)
        self._go_on_from(numbers)


def alstyle_state(peer: AlStyleServer) -> State:
    orders = list(peer.orders.orders.values())[-MOST_ORDERS:]
    return {
        "orders": [asdict(order) for order in orders],
        "cart": [asdict(row) for row in peer.cart.rows.values()],
        "goods": {
            str(good.article): {name: getattr(good, name) for name in FIGURES}
            for good in peer.goods.values()
        },
        "numbers": {
            "order": peer.orders.last,
            "note": peer.orders.last_note,
            "item": peer.cart.last_item,
        },
    }


def kaspi_state(peer: KaspiServer) -> State:
    orders = list(peer.desk.orders.values())[-MOST_ORDERS:]
    return {
        "orders": [asdict(order) for order in orders],
        "skus": peer.desk.skus,
        "last": peer.desk.last,
    }


def read_state(path: Path) -> State:
    """Read a file; raises `StateRefused` with what is wrong with it."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StateRefused(f"it cannot be read ({error})") from error
    if not isinstance(kept, dict) or kept.get("version") != VERSION:
        raise StateRefused("it is of another version")
    state = kept.get("state")
    body = _canonical(state).encode()
    if not isinstance(state, dict) or (
        hashlib.sha256(body).hexdigest() != kept.get("sha256")
    ):
        raise StateRefused("it was changed since it was written")
    return state


def _supplier_order(raw: State) -> SupplierOrder:
    lines = [OrderedLine(**line) for line in raw["lines"]]
    foreign = {int(article): n for article, n in raw["foreign"].items()}
    return SupplierOrder(**raw | {"lines": lines, "foreign": foreign})


def _kaspi_order(raw: State) -> KaspiOrder:
    stale = raw["stale"]
    parts = {
        "entries": _made(Entry, raw["entries"]),
        "buyer": Buyer(**raw["buyer"]),
        "waybills": _made(Waybill, raw["waybills"]),
        "writes": _made(Write, raw["writes"]),
        "stale": tuple(stale) if stale is not None else None,
    }
    return KaspiOrder(**raw | parts)


def _made(kind: Callable[..., Any], rows: Iterable[State]) -> list[Any]:
    return [kind(**row) for row in rows]


def _canonical(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _numbers_in(path: Path) -> dict[str, int]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(number) for name, number in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
