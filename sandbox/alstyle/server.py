"""The distributor's HTTP server: token, pace, methods, and its control API."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox.alstyle.cart import Cart
from sandbox.alstyle.catalogue import Good, Shop
from sandbox.alstyle.invented import add_odd_goods, invented_shop
from sandbox.alstyle.life import WarehouseLife
from sandbox.alstyle.lists import OrderLists
from sandbox.alstyle.loading import load_shop
from sandbox.alstyle.methods import CatalogueApi
from sandbox.alstyle.oddities import Oddities
from sandbox.alstyle.orders import OrderBook, OrderedLine, SupplierOrder
from sandbox.alstyle.others import OtherPeople
from sandbox.alstyle.settings import AlStyleSettings
from sandbox.alstyle.trade import NOT_FOUND, WRITES, TradeApi
from sandbox.alstyle.userdata import UserData
from sandbox.clock import Clock
from sandbox.faults import Fault, find, throttled
from sandbox.peer import Arrival, PeerServer
from sandbox.server import Reply, Request, Wire, json_reply

TOKEN = "alstyle-sandbox-token"  # noqa: S105 - a stand-in's token


class AlStyleServer(PeerServer):
    """Al-Style on loopback; `with AlStyleServer(token="…", interval_s=0) as peer`."""

    secret_parameter = "access-token"  # noqa: S105 - a parameter's name
    settings: AlStyleSettings

    def __init__(
        self,
        *,
        token: str = TOKEN,
        interval_s: float = 5.0,
        port: int = 0,
        seed: int = 1,
        catalogue: str | Path | None = None,
        shop: Shop | None = None,
        oddities: bool = False,
        clock: Clock | None = None,
        **switches: Any,
    ) -> None:
        super().__init__(port=port, seed=seed, clock=clock)
        self.token = token
        self.settings = AlStyleSettings(interval_s=interval_s, **switches)
        self.shop = shop or _make_shop(catalogue, seed=seed, oddities=oddities)
        self.oddities = Oddities(self.shop)
        self.life = WarehouseLife(self.shop, seed=seed)
        self.user_data = UserData()
        self._last_call: float | None = None
        self._catalogue = CatalogueApi(
            shop=self.shop,
            oddities=self.oddities,
            now_text=self._date,
            elements_nested=lambda: self.settings.elements_nested,
        )
        self.cart = Cart(self.shop, self.settings)
        self.orders = OrderBook(self.shop, self.settings, self.clock)
        self.others = OtherPeople(
            shop=self.shop,
            settings=self.settings,
            clock=self.clock,
            cart=self.cart,
            orders=self.orders,
            seed=seed,
        )
        self._trade = TradeApi(
            shop=self.shop,
            settings=self.settings,
            clock=self.clock,
            cart=self.cart,
            orders=self.orders,
            lists=OrderLists(self.orders, self.settings, self.clock),
            others=self.others,
        )
        self._add_controls()

    @property
    def url(self) -> str:
        """Return the host's URL; `/api` and `/cart-api` hang below it."""
        return self.root_url

    @property
    def goods(self) -> dict[int, Good]:
        """Return the goods by article, in listing order."""
        return self.shop.goods

    # -- the world's changes --------------------------------------------------------

    def set_good(self, article: int, **changes: Any) -> Good:
        """Change a good: `quantity`, `price1`, `name`… (fields of `Good`)."""
        with self.lock:
            good = self.shop.set_good(article, **changes)
            self.orders.note(article)
            return good

    def add_good(self, article: int, *, first: bool = False, **values: Any) -> Good:
        """Add a good at the end (or the beginning) of the order."""
        with self.lock:
            return self.shop.add_good(article, first=first, **values)

    def remove_good(self, article: int) -> Good:
        with self.lock:
            return self.shop.remove_good(article)

    def set_raw(self, article: int, **values: Any) -> None:
        """Lay any JSON values over the element row of an article."""
        with self.lock:
            self.shop.raw_rows.setdefault(article, {}).update(values)

    def add_raw_row(self, row: Any) -> None:
        """Append an element row of any shape to the listing."""
        with self.lock:
            self.shop.extra_rows.append(row)

    def set_raw_price(self, key: str | int, value: Any) -> None:
        """Answer any JSON value for a key of quantity-price."""
        with self.lock:
            self.shop.raw_prices[str(key)] = value

    def set_category(self, number: int, **changes: Any) -> None:
        """Change a category's name, left, right, level or id, sensible or not."""
        with self.lock:
            for category in self.shop.categories:
                if category.id == number:
                    for name, value in changes.items():
                        setattr(category, name, value)
                    return
            raise ValueError(f"no category {number}")

    def tick(self, seconds: float) -> dict[str, list[int]]:
        with self.lock:
            self.catch_up()
            changed = self.life.tick(seconds)
            for article in changed["stock"]:
                self.orders.note(article)
            return changed

    # -- cart and orders --------------------------------------------------------------

    def add_foreign_row(
        self, article: int, quantity: int = 1, *, is_markdown: bool = False
    ) -> int:
        """Let a manager put a row into the cart; return its item id."""
        with self.lock:
            now = self.clock.timestamp()
            return self.cart.add_foreign(
                article, quantity, now, is_markdown=is_markdown
            )

    def drop_foreign_rows(self) -> int:
        """Let the manager take his rows out again; return how many."""
        with self.lock:
            return self.cart.drop_foreign()

    def empty_cart_by_hand(self) -> bool:
        """Let a person at the portal empty the cart; says whether anything was in it.

        Not while the manager fills it: he orders himself, or takes his rows out.
        """
        with self.lock:
            if self.others.is_at_cart or not self.cart.rows:
                return False
            self.cart.rows.clear()
            return True

    def manager_order(self, lines: dict[int, int], **fields: Any) -> SupplierOrder:
        """Let a manager order {article: quantity} in the portal."""
        with self.lock:
            ordered = [
                OrderedLine(
                    article=article, quantity=n, price=self.goods[article].price1
                )
                for article, n in lines.items()
            ]
            return self.orders.create(ordered, by="manager", **fields)

    def set_order(self, order: int | str, status: str | None) -> SupplierOrder:
        """Give an order a status and keep it there: time no longer moves it."""
        with self.lock:
            found = self._found(order)
            self.orders.move(found, status)
            found.frozen = True
            return found

    def merge_orders(self, order: int | str, into: int | str) -> None:
        with self.lock:
            self.orders.merge(self._found(order), self._found(into))

    def all_orders(self) -> list[SupplierOrder]:
        with self.lock:
            self.catch_up()
            return list(self.orders.orders.values())

    def book(self) -> list[dict[str, Any]]:
        with self.lock:
            self.catch_up()
            return self.orders.book()

    def free(self, article: int) -> int:
        with self.lock:
            self.catch_up()
            return self.orders.free(article)

    def holding(self, article: int) -> dict[int, float]:
        """Map the living orders that took an article to their ages in seconds."""
        with self.lock:
            return self.orders.holding(article)

    def watch_stock(self) -> None:
        """Begin to remember free pieces, for `most_free`."""
        with self.lock:
            self.orders.watch()

    def most_free(self, article: int, *, since: float) -> int:
        """Return the most pieces free at any moment since then."""
        with self.lock:
            self.catch_up()
            return self.orders.most_free(article, since=since)

    def _found(self, number: int | str) -> SupplierOrder:
        order = self.orders.find(number)
        if order is None:
            raise ValueError(f"no order {number}")
        return order

    # -- serving ------------------------------------------------------------------

    def settle(self) -> None:
        self.others.settle()
        self.orders.settle()

    def is_expecting(self) -> bool:
        return super().is_expecting() or self.others.is_expecting

    def late_by(self, method: str, faults: list[Fault]) -> float:
        stall = find(faults, "stall")
        is_lost = find(faults, "drop_after_work") is not None or (
            stall is not None and stall.options["after_work"]
        )
        if method == "submit" and is_lost and self.settings.late_submit_s > 0:
            return self.settings.late_submit_s
        return super().late_by(method, faults)

    def method_of(self, request: Request) -> str:
        parts = request.path.strip("/").split("/")
        if len(parts) == 2 and parts[0] in ("api", "cart-api"):
            return parts[1]
        return request.path

    def is_write(self, method: str) -> bool:
        return method in WRITES

    def refuse(self, request: Request, arrival: Arrival, wire: Wire) -> Reply | None:
        if request.query.get(self.secret_parameter) != self.token:
            arrival.verdict = "bad-token"
            data = {"name": "Unauthorized", "message": "", "code": 0, "status": 401}
            return json_reply(data, status=401)
        cart = request.path.startswith("/cart-api")
        if self.settings.interval_s <= 0 or (
            cart and not self.settings.clock_counts_cart
        ):
            return None
        with self.lock:
            last = self._last_call
            early = (
                last is not None and request.arrived - last < self.settings.interval_s
            )
            if not early or self.settings.refused_calls_count:
                self._last_call = request.arrived
        if not early:
            return None
        arrival.verdict = "too-fast"
        return throttled(
            {
                "variant": self.settings.interval_variant,
                "interval": self.settings.interval_s,
                "retry_after": max(1, round(self.settings.interval_s)),
            }
        )

    def work(self, request: Request, method: str, faults: list[Fault]) -> Reply:
        params = request.params()
        if request.path.startswith("/api/"):
            if method == "user-data":
                return json_reply(self.user_data.answer(self.clock.almaty()))
            reply = self._catalogue.answer(method, params, faults)
            if reply is not None:
                return reply
        bought = self._trade.answer(method, request)
        if bought is not None:
            return bought
        return json_reply(NOT_FOUND, status=404)

    def _date(self) -> Any:
        if self.settings.date is not None:
            return self.settings.date
        return {"date": self.clock.almaty().strftime("%d.%m.%Y %H:%M:%S")}

    # -- control ------------------------------------------------------------------

    def _add_controls(self) -> None:
        self.controls |= {
            "goods": self._goods,
            "set-good": lambda article, fields: _good(self.set_good(article, **fields)),
            "add-good": lambda article, fields=None, first=False: _good(
                self.add_good(article, first=first, **(fields or {}))
            ),
            "remove-good": lambda article: _good(self.remove_good(article)),
            "restore-goods": self.oddities.restore,
            "add-odd-goods": lambda: add_odd_goods(self.shop),
            "set-raw": lambda article, fields: self.set_raw(article, **fields),
            "add-raw-row": self.add_raw_row,
            "set-raw-price": self.set_raw_price,
            "set-category": lambda id, fields: self.set_category(id, **fields),
            "add-raw-category": self._add_raw_category,
            "clear-raw": self._clear_raw,
            "tick": self.tick,
            "revalue": self.life.revalue,
            "user-data": self.user_data.change,
            "cart": lambda: list(map(asdict, self.cart.rows.values())),
            "foreign-row": self.add_foreign_row,
            "drop-foreign-rows": self.drop_foreign_rows,
            "foreign-touched": lambda: self.cart.foreign_touched,
            "manager-order": self._manager_order,
            "visits": lambda: self.others.visits,
            "set-order": lambda order, status: asdict(self.set_order(order, status)),
            "merge-orders": self.merge_orders,
            "orders": self.book,
        }

    def _goods(self, articles: list[int] | None = None) -> dict[str, Any]:
        with self.lock:
            chosen = self.goods if articles is None else articles
            return {str(a): _good(self.goods[a]) for a in chosen if a in self.goods}

    def _manager_order(self, lines: dict[str, int], **fields: Any) -> dict[str, Any]:
        chosen = {int(article): quantity for article, quantity in lines.items()}
        return asdict(self.manager_order(chosen, **fields))

    def _add_raw_category(self, row: Any) -> None:
        with self.lock:
            self.shop.raw_categories.append(row)

    def _clear_raw(self) -> None:
        with self.lock:
            self.shop.raw_rows.clear()
            self.shop.extra_rows.clear()
            self.shop.raw_prices.clear()
            self.shop.raw_categories.clear()


def _good(good: Good) -> dict[str, Any]:
    return {
        "article": good.article,
        "name": good.name,
        "brand": good.brand,
        "category": good.category,
        "price1": good.price1,
        "price2": good.price2,
        "stock": good.stock,
        "quantity": good.quantity,
        "multiplicity": good.multiplicity,
    }


def _make_shop(catalogue: str | Path | None, *, seed: int, oddities: bool) -> Shop:
    shop = load_shop(catalogue, seed=seed) if catalogue else invented_shop(seed=seed)
    if oddities:
        add_odd_goods(shop)
    return shop
