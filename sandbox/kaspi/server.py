"""Kaspi's HTTP server: the shop page, the price-list reader, the orders API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.clock import Clock
from sandbox.faults import NGINX_PAGE, Fault
from sandbox.kaspi.fetching import Fetch, PriceListReader
from sandbox.kaspi.page import shop_page
from sandbox.kaspi.pricelist import Offer
from sandbox.peer import Arrival, SandboxPeer
from sandbox.server import Reply, Request, Wire, html_reply, json_reply

TOKEN = "kaspi-sandbox-token"  # noqa: S105 - a stand-in's token
MERCHANT_ID = "QazDemo"
API = "/shop/api"
DEFAULT_AGENTS = ("python-requests", "python-httpx", "python-urllib", "aiohttp")


@dataclass(slots=True, kw_only=True)
class KaspiSettings:
    """Kaspi's switches.

    drop_default_agents: say nothing to default or missing User-Agents, for hang_s.
    need_accept: a call without Accept gets an HTML 404.
    refusal_status: how a bad token is refused: 401 or 403.
    requests_per_s: above it 429 with Retry-After; 0 = no limit.
    """

    drop_default_agents: bool = True
    hang_s: float = 120.0
    need_accept: bool = True
    refusal_status: int = 401
    requests_per_s: float = 0.0


class KaspiServer(SandboxPeer):
    """Kaspi on loopback; `with KaspiServer(token="…", feed_url=…) as peer`."""

    settings: KaspiSettings

    def __init__(
        self,
        *,
        token: str = TOKEN,
        merchant_id: str = MERCHANT_ID,
        feed_url: str | None = None,
        feed_every_s: float | None = None,
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
        self._recent: list[float] = []
        self.controls |= {
            "fetch": lambda: self.fetch_now().as_dict(),
            "fetches": lambda: [fetch.as_dict() for fetch in self.fetches],
            "picture": self._picture,
            "set-feed": self.set_feed,
        }

    @property
    def url(self) -> str:
        """Return the base URL, the stand-in of `https://kaspi.kz/shop/api`."""
        return self.root_url + API

    @property
    def page_url(self) -> str:
        """Return the address of the page that shows what is on sale."""
        return self.root_url + "/"

    @property
    def picture(self) -> dict[str, Offer]:
        """Return the offers of the last good price list by SKU."""
        return self.reader.picture

    @property
    def fetches(self) -> list[Fetch]:
        """Return every download of the price list."""
        return self.reader.fetches

    def start(self) -> None:
        """Serve, and fetch the price list on the timer."""
        super().start()
        if self.feed_every_s:
            self.every(self.feed_every_s, self._timed_fetch)

    def fetch_now(self) -> Fetch:
        """Download the price list at once and return what came of it."""
        return self.reader.fetch_now()

    def set_feed(self, url: str, user: str = "", password: str = "") -> None:
        """Change the price list's address and login."""
        self.reader.url, self.reader.user, self.reader.password = url, user, password

    def _timed_fetch(self) -> None:
        if self.reader.url:
            self.fetch_now()

    # -- serving ------------------------------------------------------------------

    def page(self, request: Request) -> Reply | None:
        """Answer the page for people."""
        if request.path in ("/", "/index.html") and request.verb in ("GET", "HEAD"):
            return html_reply(shop_page(self))
        if request.path == "/favicon.ico":
            return Reply(status=204, body=b"", content_type="image/x-icon")
        return None

    def page_sections(self) -> list[str]:
        """Return further parts of the page."""
        return []

    def method_of(self, request: Request) -> str:
        """Name the method a path means."""
        return request.path.removeprefix(API).strip("/")

    def is_write(self, method: str) -> bool:
        """Say whether a call changes an order."""
        return False

    def refuse(self, request: Request, arrival: Arrival, wire: Wire) -> Reply | None:
        """Check what comes before any method is looked at."""
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
        return None

    def work(self, request: Request, method: str, faults: list[Fault]) -> Reply:
        """Do what the call asks."""
        return html_reply(NGINX_PAGE.format(title="404 Not Found"), status=404)

    def _picture(self) -> dict[str, Any]:
        reader = self.reader
        return {
            "list_date": reader.list_date,
            "offers": {sku: offer.as_dict() for sku, offer in reader.picture.items()},
            "withdrawn": sorted(reader.withdrawn),
        }
