"""Kaspi's HTTP server: the shop page, the price-list reader, the orders API."""

from __future__ import annotations

from typing import Any

from sandbox.clock import Clock
from sandbox.faults import NGINX_PAGE, Fault
from sandbox.kaspi.desk import OrderDesk, page_of_book
from sandbox.kaspi.fetching import Fetch, PriceListReader
from sandbox.kaspi.jsonapi import Writer
from sandbox.kaspi.orders import OUT_OF_STOCK, KaspiOrder
from sandbox.kaspi.page import shop_page
from sandbox.kaspi.pricelist import Offer
from sandbox.kaspi.reads import ApiRefused, ReadApi, error_reply
from sandbox.kaspi.routes import API, method_of, parts_of
from sandbox.kaspi.settings import KaspiSettings
from sandbox.kaspi.waybills import Signer
from sandbox.kaspi.writes import OTHER_WRITES, WRITES, WriteApi
from sandbox.peer import Arrival, PeerServer
from sandbox.server import Reply, Request, Wire, html_reply, json_reply

TOKEN = "kaspi-sandbox-token"  # noqa: S105 - a stand-in's token
MERCHANT_ID = "QazDemo"
DEFAULT_AGENTS = ("python-requests", "python-httpx", "python-urllib", "aiohttp")


class KaspiServer(PeerServer):
    """Kaspi on loopback; `with KaspiServer(token="…", feed_url=…) as peer`."""

    settings: KaspiSettings

    def __init__(
        self,
        *,
        token: str = TOKEN,
        merchant_id: str = MERCHANT_ID,
        feed_url: str | None = None,
        feed_every_s: float | None = None,
        orders_every_s: float | None = None,
        feed_user: str = "",
        feed_password: str = "",
        check_merchant_id: bool = True,
        port: int = 0,
        seed: int = 1,
        clock: Clock | None = None,
        **switches: Any,
    ) -> None:
        super().__init__(port=port, seed=seed, clock=clock)
        self.token = token
        self.merchant_id = merchant_id
        self.settings = KaspiSettings(**switches)
        self.feed_every_s = feed_every_s
        self.reader = PriceListReader(
            clock=self.clock,
            url=feed_url,
            user=feed_user,
            password=feed_password,
            merchant_id=merchant_id if check_merchant_id else None,
        )
        self.orders_every_s = orders_every_s
        self.desk = OrderDesk(
            reader=self.reader, settings=self.settings, clock=self.clock, seed=seed
        )
        self._recent: list[float] = []
        self._open_api()
        self._add_controls()

    def _open_api(self) -> None:
        signer = Signer()
        writer = Writer(
            settings=self.settings,
            merchant_id=self.merchant_id,
            base=lambda: self.url,
            signer=signer,
        )
        self._reads = ReadApi(desk=self.desk, writer=writer, signer=signer)
        self._writes = WriteApi(desk=self.desk, writer=writer)

    @property
    def url(self) -> str:
        """Return the base URL, the stand-in of `https://kaspi.kz/shop/api`."""
        return self.root_url + API

    @property
    def page_url(self) -> str:
        return self.root_url + "/"

    @property
    def picture(self) -> dict[str, Offer]:
        """Return the offers of the last good price list by SKU."""
        return self.reader.picture

    @property
    def fetches(self) -> list[Fetch]:
        return self.reader.fetches

    def start(self) -> None:
        super().start()
        if self.feed_every_s:
            self.every(self.feed_every_s, self._timed_fetch)
        if self.orders_every_s:
            self.every(self.orders_every_s, self.generate)

    def fetch_now(self) -> Fetch:
        return self.reader.fetch_now()

    def set_feed(self, url: str, user: str = "", password: str = "") -> None:
        self.reader.url, self.reader.user, self.reader.password = url, user, password

    def _timed_fetch(self) -> None:
        if self.reader.url:
            self.fetch_now()

    # -- serving ------------------------------------------------------------------

    def page(self, request: Request) -> Reply | None:
        if request.path in ("/", "/index.html") and request.verb in ("GET", "HEAD"):
            with self.lock:
                self.catch_up()
                text = shop_page(
                    self.merchant_id,
                    offers=self.picture,
                    fetches=self.fetches,
                    orders=list(self.desk.orders.values()),
                )
            return html_reply(text)
        if request.path == "/favicon.ico":
            return Reply(status=204, body=b"", content_type="image/x-icon")
        return None

    def ahead_s(self) -> float:
        return self.settings.clock_skew_s + self.settings.date_skew_s

    def method_of(self, request: Request) -> str:
        return method_of(request)

    def is_write(self, method: str) -> bool:
        return method in WRITES

    def refuse(self, request: Request, arrival: Arrival, wire: Wire) -> Reply | None:
        agent = request.header("User-Agent").lower()
        if self.settings.drop_default_agents and (
            not agent or agent.startswith(DEFAULT_AGENTS)
        ):
            arrival.verdict = "ignored"
            wire.hang(self.settings.hang_s)
            wire.drop()
            return None
        if self.settings.need_accept and not request.header("Accept"):
            arrival.verdict = "no-accept"
            return html_reply(NGINX_PAGE.format(title="404 Not Found"), status=404)
        if request.header("X-Auth-Token") != self.token:
            arrival.verdict = "bad-token"
            error = {"title": "Authentication failed", "status": "401"}
            status = self.settings.refusal_status
            return json_reply({"errors": [error]}, status=status)
        return self._too_fast(request, arrival)

    def _too_fast(self, request: Request, arrival: Arrival) -> Reply | None:
        most = self.settings.requests_per_s
        if most <= 0:
            return None
        with self.lock:
            second = [at for at in self._recent if at > request.arrived - 1]
            if len(second) < most:
                self._recent = [*second, request.arrived]
                return None
        arrival.verdict = "too-fast"
        error = {"title": "Too many requests", "status": "429"}
        return json_reply({"errors": [error]}, status=429, Retry_After="1")

    def settle(self) -> None:
        self.desk.settle()

    def work(self, request: Request, method: str, faults: list[Fault]) -> Reply:
        try:
            if self.is_write(method):
                return self._write(request, method)
            reply = self._reads.answer(method, parts_of(request), request, faults)
        except ApiRefused as refusal:
            return error_reply(refusal)
        if reply is not None:
            return reply
        return html_reply(NGINX_PAGE.format(title="404 Not Found"), status=404)

    def _write(self, request: Request, method: str) -> Reply:
        kind = request.header("Content-Type")
        if self.settings.need_content_type and "application/vnd.api+json" not in kind:
            raise ApiRefused("Content type is not supported.", status=415)
        if method == "partial-cancel":
            return self._writes.cancel_part(request, parts_of(request)[1])
        if method in OTHER_WRITES:
            return OTHER_WRITES[method](self._writes, request)
        return self._writes.write_order(request)

    # -- orders -------------------------------------------------------------------

    @property
    def orders(self) -> dict[str, KaspiOrder]:
        with self.lock:
            self.catch_up()
            return dict(self.desk.orders)

    def new_order(
        self, lines: list[dict[str, Any]] | None = None, **options: Any
    ) -> KaspiOrder:
        """Make an order; see `OrderDesk.new_order` for the options."""
        with self.lock:
            return self.desk.new_order(lines, **options)

    def generate(self, count: int = 1) -> list[KaspiOrder]:
        with self.lock:
            return self.desk.generate(count)

    def happen(self, code: str, event: str) -> KaspiOrder:
        """Make an event of an order's life happen now; see `sandbox.kaspi.life`."""
        with self.lock:
            order = self._order(code)
            self.desk.life.happen(order, event, self.clock.timestamp())
            return order

    def cut_line(self, code: str, number: int, remained: float) -> KaspiOrder:
        """Let Kaspi take pieces of a line away; `remained` stay."""
        with self.lock:
            order = self._order(code)
            order.entries[number].quantity = remained
            if not any(entry.quantity for entry in order.entries):
                self.desk.life.cancel(order, OUT_OF_STOCK, self.clock.timestamp())
            return order

    def set_order(self, code: str, **fields: Any) -> KaspiOrder:
        """Set an order's fields, e.g. state, status, raw, omit, frozen."""
        with self.lock:
            order = self._order(code)
            for name, value in fields.items():
                if not hasattr(order, name):
                    raise ValueError(f"an order has no field {name}")
                setattr(order, name, value)
            return order

    def book(self) -> list[dict[str, Any]]:
        with self.lock:
            self.catch_up()
            return self.desk.book()

    def _order(self, code: str) -> KaspiOrder:
        self.catch_up()
        order = self.desk.find(code=str(code))
        if order is None:
            raise ValueError(f"no order {code}")
        return order

    # -- control ------------------------------------------------------------------

    def _add_controls(self) -> None:
        self.controls |= {
            "fetch": lambda: self.fetch_now().as_dict(),
            "fetches": lambda: [fetch.as_dict() for fetch in self.fetches],
            "picture": self._picture,
            "set-feed": self.set_feed,
            "new-order": lambda lines=None, **options: page_of_book(
                self.new_order(lines, **options)
            ),
            "generate": lambda count=1: list(map(page_of_book, self.generate(count))),
            "happen": lambda code, event: page_of_book(self.happen(code, event)),
            "cut-line": lambda code, number, remained: page_of_book(
                self.cut_line(code, number, remained)
            ),
            "set-order": lambda code, fields: page_of_book(
                self.set_order(code, **fields)
            ),
            "orders": self.book,
        }

    def _picture(self) -> dict[str, Any]:
        reader = self.reader
        return {
            "list_date": reader.list_date,
            "offers": {sku: offer.as_dict() for sku, offer in reader.picture.items()},
            "withdrawn": sorted(reader.withdrawn),
        }
