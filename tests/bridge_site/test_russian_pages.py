"""Staff read Russian on every page: no word of another language slips through."""

from __future__ import annotations

import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.full_house import furnish_house, sign_in, walk_pages

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]

ENV_EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
LATIN = re.compile(r"[A-Za-z][A-Za-z_]+")
# Names, abbreviations and codes that Russian writes in Latin letters too.
NAMES = {
    *("Al", "Style", "Kaspi", "EN", "SKU", "PDF", "IMEI", "UTC", "SHA", "XLSX"),
    *("Apprise", "Telegram", "WhatsApp", "Excel", "API", "URL", "SIM", "BIN", "QR"),
    *("HTTPS", "HTTP", "XML", "JSON", "ID", "OK", "CSV", "MB", "VPN"),
    *("Python", "Django", "SQLite", "PostgreSQL"),
    *("Google", "Microsoft", "Authenticator"),
    *("Prometheus", "Grafana", "Sentry", "Linux", "Windows", "SSH", "git", "cron"),
}
# What the furnished bridge holds and what its forms give as examples.
EXAMPLES = {
    *("owner", "olga", "srv", "Zeta", "PP", "XX", "Merchant_PP", "Qaz", "Demo"),
    *(
        "localhost",
        "query",
        "uid",
        "testserver",
        "QazDemo",
        "aigul",
        "ivanov",
        "tgram",
        "mailtos",
        "whatsapp",
        "to",
        "json",
        # Values of settings, as they are typed.
        "admin",
        "host",
        "production",
        "text",
        *("web", "workers"),
        *("us", "east"),
    ),
    *LATIN.findall(socket.gethostname()),
}
# Settings and addresses stand as they must be typed.
SETTINGS = set(re.findall(r"^#? ?([A-Z_]+)=", ENV_EXAMPLE.read_text("utf-8"), re.M))
ADDRESS = re.compile(
    r"\w+://\S*|\S+/\d[\d.]*|\S*[/.=:@#]\S*[A-Za-z]\S*"
    # A mark of the log.
    r"|\b\w+=\w+"
    # A digest or a revision.
    r"|\b(?=[a-f]*\d)[0-9a-f]{7,}\b"
)
READ_OUT = ("title", "aria-label", "placeholder", "alt")
SKIPPED = {"script", "style", "pre", "code"}


class Reader(HTMLParser):
    """Collects what a person sees or hears."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag, attrs):
        self._skipping += tag in SKIPPED
        known = dict(attrs)
        self.pieces += [known[name] for name in READ_OUT if known.get(name)]
        if tag == "input" and known.get("type") in ("submit", "button"):
            self.pieces.append(known.get("value") or "")

    def handle_endtag(self, tag):
        self._skipping -= tag in SKIPPED

    def handle_data(self, data):
        if not self._skipping:
            self.pieces.append(data)


def foreign_words(html):
    reader = Reader()
    reader.feed(html)
    for piece in reader.pieces:
        for word in LATIN.findall(ADDRESS.sub(" ", piece)):
            if word not in NAMES | EXAMPLES | SETTINGS:
                yield word, " ".join(piece.split())[:80]


def test_every_page_is_russian_throughout(settings, alstyle, tmp_path):
    furnish_house(settings, alstyle, tmp_path / "feed")
    user = sign_in("owner", "a-long-password")
    found: dict[str, tuple[str, str]] = {}
    pages = 0
    for url, html in walk_pages(user):
        pages += 1
        for word, piece in foreign_words(html):
            found.setdefault(word, (url, piece))
    assert pages > 60
    assert found == {}


def test_foreign_words_are_found_where_they_are_seen_or_heard():
    html = """<script>let hidden;</script><p title="Hover">Заказ Kaspi</p>
    <input type="submit" value="Save"><input type="hidden" value="secret">
    <p>NEW · APPROVED_BY_BANK</p><p>укажите KASPI_TOKEN, v2/orders</p>"""
    assert [word for word, _piece in foreign_words(html)] == [
        *("Hover", "Save"),
        *("NEW", "APPROVED_BY_BANK"),
    ]
