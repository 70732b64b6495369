"""A price list served on loopback, good or bad, for the sandbox's own tests."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from xml.sax.saxutils import escape, quoteattr

from sandbox.server import Reply, Request, SandboxServer, Wire

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<kaspi_catalog date="2026-03-10 11:00"'
    ' xmlns="kaspiShopping"><company>Qaz Demo</company>'
    "<merchantid>{merchant}</merchantid><offers>"
)


def offer(
    sku="70311",
    model="Мышь Zeta ZX-118B",
    price=15990,
    stock=14,
    preorder=None,
    store="PP1",
):
    days = f' preOrder="{preorder}"' if preorder is not None else ""
    available = "yes" if stock else "no"
    return (
        f"<offer sku={quoteattr(sku)}><model>{escape(model)}</model><brand>Zeta</brand>"
        f'<availabilities><availability available="{available}" storeId="{store}"'
        f' stockCount="{stock}"{days}/></availabilities><price>{price}</price></offer>'
    )


def price_list(offers: Iterable[str], merchant="QazDemo") -> bytes:
    text = (
        HEAD.format(merchant=merchant) + "".join(offers) + "</offers></kaspi_catalog>"
    )
    return text.encode()


class FeedHost(SandboxServer):
    """Answers every path with `reply`; honours `If-None-Match` against its ETag."""

    def __init__(self, *offers: str) -> None:
        super().__init__()
        self.reply = Reply()
        self.requests: list[Request] = []
        self.serve_offers(*offers)

    @property
    def url(self) -> str:
        return f"{self.root_url}/kaspi_price_list.xml"

    def serve_offers(self, *offers: str) -> None:
        self.serve_bytes(price_list(offers))

    def serve_bytes(self, body: bytes, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.reply = Reply(
            body=body, status=status, content_type="application/xml", headers=named
        )

    def serve(self, request: Request, wire: Wire) -> None:
        self.requests.append(request)
        etag = self.reply.headers.get("ETag")
        if etag and request.header("If-None-Match") == etag:
            wire.send(Reply(status=304, body=b"", headers={"ETag": etag}))
            return
        wire.send(self.reply)

    def __enter__(self) -> FeedHost:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
