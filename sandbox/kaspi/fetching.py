"""Download the merchant's price list on a timer and keep the picture it gives."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from sandbox.clock import Clock
from sandbox.kaspi.pricelist import Offer, PriceListRefused, read_price_list

USER_AGENT = "Kaspi-PriceList-Fetcher/1.0 (sandbox)"


@dataclass(slots=True, kw_only=True)
class Fetch:
    """One download. `outcome`: loaded | unchanged | failed | refused."""

    number: int
    at: float
    outcome: str = "failed"
    status: int | None = None
    bytes: int = 0
    seconds: float = 0.0
    offers: int = 0
    on_sale: int = 0
    added: int = 0
    withdrawn: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class PriceListReader:
    """Kaspi's knowledge of one shop: the last good list, and every fetch.

    A file that cannot be downloaded or is refused leaves the picture as it was.
    What is missing from a good file is withdrawn.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        url: str | None,
        user: str,
        password: str,
        merchant_id: str | None,
        timeout_s: float = 60.0,
    ) -> None:
        self.url = url
        self.user = user
        self.password = password
        self.merchant_id = merchant_id
        self.picture: dict[str, Offer] = {}
        self.withdrawn: dict[str, tuple[Offer, float]] = {}
        self.fetches: list[Fetch] = []
        self.list_date = ""
        self.loads = 0
        self.on_good_fetch: list[Callable[[dict[str, Offer], float], None]] = []
        self._clock = clock
        self._timeout_s = timeout_s
        # Of the last good list: a refused one must be asked for again in full.
        self._etag: str | None = None
        self._modified: str | None = None
        self._offered: tuple[str | None, str | None] = (None, None)
        self._one_at_a_time = threading.Lock()
        self._opener = build_opener(ProxyHandler({}), _NoRedirects())

    def fetch_now(self) -> Fetch:
        """Download and load the list; never raises for what the merchant serves."""
        with self._one_at_a_time:
            fetch = Fetch(number=len(self.fetches) + 1, at=self._clock.timestamp())
            began = time.monotonic()
            try:
                data = self._download(fetch)
                if data is not None:
                    self._load(data, fetch)
            except PriceListRefused as refusal:
                fetch.outcome, fetch.errors = "refused", refusal.reasons
            except (OSError, ValueError) as error:
                fetch.outcome, fetch.errors = "failed", [_words(error)]
            fetch.seconds = round(time.monotonic() - began, 3)
            fetch.on_sale = sum(1 for o in self.picture.values() if o.available)
            self.fetches.append(fetch)
            if fetch.outcome in ("loaded", "unchanged"):
                for told in self.on_good_fetch:
                    told(self.picture, fetch.at)
            return fetch

    def _download(self, fetch: Fetch) -> bytes | None:
        if not self.url:
            raise ValueError("Адрес прайс-листа не задан")
        request = Request(self.url, headers=self._headers())  # noqa: S310 - http or a file, as the tests say
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                data: bytes = answer.read()
                fetch.status, fetch.bytes = answer.status, len(data)
                headers = answer.headers
        except HTTPError as error:
            with error:
                fetch.status = error.code
                if error.code == 304:
                    fetch.outcome, fetch.offers = "unchanged", len(self.picture)
                    return None
                raise
        if headers.get("Set-Cookie"):
            fetch.warnings.append("Ответ ставит cookie")
        if (announced := headers.get("Content-Length")) and int(announced) != len(data):
            raise ValueError("Файл получен не целиком")
        self._offered = headers.get("ETag"), headers.get("Last-Modified")
        return data

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/xml, text/xml, */*"}
        if self._etag:
            headers["If-None-Match"] = self._etag
        if self._modified:
            headers["If-Modified-Since"] = self._modified
        if self.user:
            pair = f"{self.user}:{self.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers

    def _load(self, data: bytes, fetch: Fetch) -> None:
        found = read_price_list(data, merchant_id=self.merchant_id)
        gone = {sku: o for sku, o in self.picture.items() if sku not in found.offers}
        fetch.added = sum(1 for sku in found.offers if sku not in self.picture)
        fetch.withdrawn, fetch.offers = len(gone), len(found.offers)
        fetch.warnings += found.warnings
        fetch.outcome = "loaded"
        for sku in found.offers:
            self.withdrawn.pop(sku, None)
        self.withdrawn |= {sku: (offer, fetch.at) for sku, offer in gone.items()}
        self.picture, self.list_date = found.offers, found.date
        self.loads += 1
        self._etag, self._modified = self._offered


def _words(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, URLError):
        return f"Нет связи: {error.reason}"
    return str(error) or type(error).__name__
