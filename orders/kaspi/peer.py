"""Kaspi's manners on the HTTP seam: its way to say no, and files on other hosts."""

from __future__ import annotations

import copy
import json
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from requests.structures import CaseInsensitiveDict

from orders.kaspi.schema import parse_error_title
from plumbing.peers import PeerConnection, PeerReply

SECRET_HEADERS = ("X-Auth-Token", "X-Merchant-Uid")
KASPI_DOMAIN = "kaspi.kz"


class KaspiPeer(PeerConnection):
    """Says what Kaspi said in its first error title, never a piece of an order."""

    def for_file(self, url: str) -> KaspiPeer | None:
        """Give a peer for the host of `url`, or None where nothing may be fetched.

        The token goes to Kaspi's own hosts only; another one is asked without it.
        """
        parts = urlsplit(url)
        if not parts.hostname:
            return None
        is_ours = _origin(url) == _origin(self.base_url)
        if parts.scheme != "https" and not is_ours:
            return None
        other = copy.copy(self)
        other.base_url = _origin(url)
        other._session = copy.copy(self._session)
        headers = CaseInsensitiveDict(self._session.headers)
        other._session.headers = headers
        headers["Accept"] = "application/pdf, */*"
        del headers["Content-Type"]
        if not is_ours and not _is_kaspis(parts.hostname):
            for name in SECRET_HEADERS:
                headers.pop(name, None)
        return other

    def _sentence(self, reply: PeerReply) -> str:
        words = reason_of(reply)
        return self._said(reply.path, f"HTTP {reply.status_code}, {words}")

    def _said(self, path: str, words: str) -> str:
        # A waybill's link is signed: whoever has it whole can open it.
        return super()._said(path.partition("?")[0], words)


def reason_of(reply: PeerReply) -> str:
    """Give Kaspi's own words for a refusal; JSON that names no reason is not quoted."""
    if reply.body.lstrip()[:1] not in (b"{", b"["):
        return reply.words()
    try:
        title = parse_error_title(json.loads(reply.body))
    except (ValueError, RecursionError):
        title = ""
    # What is no error may be an order with its buyer.
    return title or _("no reason given")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def _is_kaspis(host: str) -> bool:
    return host == KASPI_DOMAIN or host.endswith(f".{KASPI_DOMAIN}")
