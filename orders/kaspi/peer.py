"""Kaspi's manners on the HTTP seam: its way to say no, and files on other hosts."""

from __future__ import annotations

import copy
import json
import re
from urllib.parse import SplitResult, urljoin, urlsplit

from django.utils.translation import gettext as _
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from orders.kaspi.schema import parse_error_title
from plumbing.peers import PeerAccessRefused, PeerConnection, PeerError, PeerReply

KASPI_DOMAIN = "kaspi.kz"
# An answer that says why it says no is short; a long one is not worth its memory.
LONGEST_REASON = 1 << 16
LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?"
HOST = re.compile(rf"{LABEL}(\.{LABEL})*\.?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")


class BadLink(ValueError):
    """A link that nobody may follow: two programs could read it as two hosts."""


def parse_link(link: str, *, base_url: str) -> SplitResult:
    """Make a link of an answer whole; raises `BadLink`.

    Stricter than browsers: what one parser takes for a path another takes for a host
    ("evil.example\\.kaspi.kz"), and the token would go there.
    """
    try:
        whole = urljoin(base_url, link)
        parts = urlsplit(whole)
        # The parser of the library that connects; like `.port`, it raises.
        there = parse_url(whole)
        is_one = (there.host, there.port) == (parts.hostname, parts.port)
    except (ValueError, LocationParseError):
        raise BadLink(_("the link cannot be read")) from None
    has_login = "@" in parts.netloc
    is_odd = "\\" in link or any(ord(sign) <= 32 for sign in link)
    if has_login or is_odd or not is_one or not HOST.fullmatch(parts.hostname or ""):
        raise BadLink(_("the link does not clearly name its host"))
    return parts


class KaspiPeer(PeerConnection):
    """Says what Kaspi said in its first error title, never a piece of an order."""

    _is_file_host = False

    def for_file(self, parts: SplitResult) -> KaspiPeer | None:
        """Give a peer for the host of a link; None for one that is not Kaspi's.

        Kaspi's are the configured one and, over HTTPS on its usual port, those of its
        domain. Nobody else is asked for anything, with the token or without.
        """
        is_ours = _origin(parts) == _origin(urlsplit(self.base_url))
        is_kaspis = _is_kaspis(parts.hostname or "") and parts.port in (None, 443)
        if not is_ours and not (is_kaspis and parts.scheme == "https"):
            return None
        other = copy.copy(self)
        other.base_url, other._is_file_host = _origin(parts), True
        other._session = copy.copy(self._session)
        headers = CaseInsensitiveDict(self._session.headers)
        other._session.headers = headers
        headers["Accept"] = "application/pdf, */*"
        del headers["Content-Type"]
        return other

    def _method_of(self, verb: str, path: str) -> str:
        return f"{verb} file" if self._is_file_host else super()._method_of(verb, path)

    def _failure(self, reply: PeerReply) -> PeerError:
        error = super()._failure(reply)
        # A store of files has reasons of its own, such as a link that ran out.
        if self._is_file_host or not isinstance(error, PeerAccessRefused):
            return error
        if reply.status_code == 403 and not _is_json(reply):
            words = _(
                "blocked on the way, probably not the token's fault: from abroad, or "
                "from a barred address, Kaspi is reached through OUTBOUND_PROXY "
                "(HTTP %(status)d, %(words)s)"
            )
        else:
            words = _(
                "Kaspi refuses the token: make a new one in its cabinet and set "
                "KASPI_TOKEN (HTTP %(status)d, %(words)s)"
            )
        words %= {"status": reply.status_code, "words": reason_of(reply)}
        return PeerAccessRefused(
            self._said(reply.path, words), status_code=reply.status_code
        )

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
    if len(reply.body) > LONGEST_REASON:
        return _("no reason given")
    try:
        title = parse_error_title(json.loads(reply.body))
    except (ValueError, RecursionError):
        title = ""
    # What is no error may be an order with its buyer.
    return title or _("no reason given")


def _is_json(reply: PeerReply) -> bool:
    if len(reply.body) > LONGEST_REASON:
        return False
    try:
        json.loads(reply.body)
    except (ValueError, RecursionError):
        return False
    return True


def _origin(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def _is_kaspis(host: str) -> bool:
    return host == KASPI_DOMAIN or host.endswith(f".{KASPI_DOMAIN}")
