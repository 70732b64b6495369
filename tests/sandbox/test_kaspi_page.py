from __future__ import annotations

import pytest

from sandbox.kaspi.fetching import Fetch
from sandbox.kaspi.markup import fill, fill_each
from sandbox.kaspi.page import shop_page
from sandbox.kaspi.pricelist import Offer

EVIL = "<script>alert('x')</script>&\"$code"
SAFE = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;$code"


def test_whatever_others_wrote_is_escaped(kaspi):
    line = {"sku": EVIL, "name": EVIL, "quantity": 1, "price": 1.0}
    order = kaspi.new_order([line], code=EVIL)
    kaspi.set_order(EVIL, status=EVIL, reason=EVIL)
    offer = Offer(sku=EVIL, model=EVIL, brand=EVIL, price=1)
    fetch = Fetch(number=1, at=0.0, errors=[EVIL], warnings=[EVIL])
    page = shop_page(EVIL, offers={EVIL: offer}, fetches=[fetch], orders=[order])

    assert "<script" not in page
    # The shop twice; code, state, reason and good; the fetch's notes; the offer.
    assert page.count(SAFE) == 2 + 4 + 2 + 3


def test_a_filled_template_is_not_escaped_again():
    lines = fill_each("fetch_note.html", [{"text": "a & b"}, {"text": "<"}])
    assert lines == "<li>a &amp; b</li>\n<li>&lt;</li>"
    assert lines in fill("orders.html", cards="", rows=lines)


def test_a_template_with_a_missing_value_is_an_error():
    with pytest.raises(KeyError):
        fill("words.html")


def test_page_of_a_shop_that_nothing_is_known_of():
    page = shop_page("QazDemo", offers={}, fetches=[], orders=[])
    assert "Прайс-лист ещё не скачивали." in page
    assert "На витрине пока пусто." in page
    assert "Заказы" not in page
