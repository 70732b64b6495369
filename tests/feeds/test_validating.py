import re

import pytest

from feeds import validating
from feeds.checking import check_price_list
from feeds.validating import InvalidPriceList, read_offers
from tests.feeds.live_list import read_bytes

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<kaspi_catalog xmlns="kaspiShopping" date="2026-03-10 11:00">\n'
    "<company>Qaz</company>\n<merchantid>Qaz</merchantid>\n<offers>\n"
)
TAIL = "</offers>\n</kaspi_catalog>"
STORES = frozenset({"PP1", "PP2"})


def offer(sku="1", *, point='available="yes" storeId="PP1" stockCount="3"', price=990):
    return (
        f'<offer sku="{sku}"><model>Мышь</model><brand>Zeta</brand>'
        f"<availabilities><availability {point}/></availabilities>"
        f"<price>{price}</price></offer>\n"
    )


def check(tmp_path, text):
    path = tmp_path / "list.xml"
    path.write_text(text, encoding="utf-8")
    return check_price_list(path, store_ids=STORES)


def test_a_sound_list_is_counted(tmp_path):
    off = 'available="no" storeId="PP2" stockCount="0" preOrder="30"'
    checked = check(tmp_path, HEAD + offer() + offer("2", point=off) + TAIL)
    assert (checked.offers, checked.on_sale, checked.units) == (2, 1, 3)
    path = tmp_path / "list.xml"
    assert checked.size_bytes == path.stat().st_size
    found = [(o.sku, o.units, o.price_kzt) for o in read_offers(path)]
    assert found == [("1", 3, 990), ("2", 0, 990)]


BAD = {
    "no offers": HEAD + TAIL,
    "cut short": (HEAD + offer() + TAIL)[:-20],
    "a dot behind": HEAD + offer() + TAIL + ".",
    "cut between offers": HEAD + offer(),
    "empty file": "",
    "not xml": "<html>502 Bad Gateway</html>",
    "foreign tag": HEAD + offer().replace("brand>", "maker>") + TAIL,
    "other order": HEAD
    + offer().replace(
        "<model>Мышь</model><brand>Zeta</brand>",
        "<brand>Zeta</brand><model>Мышь</model>",
    )
    + TAIL,
    "other namespace": (HEAD + offer() + TAIL).replace("kaspiShopping", "kaspi"),
    "no date": (HEAD + offer() + TAIL).replace(' date="2026-03-10 11:00"', ""),
    "no company": (HEAD + offer() + TAIL).replace("<company>Qaz</company>\n", ""),
    "blank company": (HEAD + offer() + TAIL).replace(
        "<company>Qaz</company>", "<company></company>"
    ),
    "blank model": HEAD + offer().replace("Мышь", "") + TAIL,
    "price 0": HEAD + offer(price=0) + TAIL,
    "price with a fraction": HEAD + offer(price="99.5") + TAIL,
    "price in words": HEAD + offer(price="дорого") + TAIL,
    "no price": HEAD + offer().replace("<price>990</price>", "") + TAIL,
    "no sku": HEAD + offer().replace(' sku="1"', "") + TAIL,
    "blank sku": HEAD + offer("") + TAIL,
    "long sku": HEAD + offer("1" * 21) + TAIL,
    "sku not latin": HEAD + offer("мышь") + TAIL,
    "sku twice": HEAD + offer() + offer("2") + offer() + TAIL,
    "unknown point": HEAD
    + offer(point='available="yes" storeId="PP9" stockCount="3"')
    + TAIL,
    "no point": HEAD + offer(point='available="yes" stockCount="3"') + TAIL,
    "neither yes nor no": HEAD
    + offer(point='available="true" storeId="PP1" stockCount="3"')
    + TAIL,
    "yes without stock": HEAD
    + offer(point='available="yes" storeId="PP1" stockCount="0"')
    + TAIL,
    "yes without a count": HEAD + offer(point='available="yes" storeId="PP1"') + TAIL,
    "no with stock": HEAD
    + offer(point='available="no" storeId="PP1" stockCount="3"')
    + TAIL,
    "stock below 0": HEAD
    + offer(point='available="yes" storeId="PP1" stockCount="-3"')
    + TAIL,
    "half a piece": HEAD
    + offer(point='available="yes" storeId="PP1" stockCount="1.5"')
    + TAIL,
    "stock in words": HEAD
    + offer(point='available="yes" storeId="PP1" stockCount="много"')
    + TAIL,
    "pre-order 0": HEAD
    + offer(point='available="yes" storeId="PP1" stockCount="3" preOrder="0"')
    + TAIL,
    "pre-order 31": HEAD
    + offer(point='available="yes" storeId="PP1" stockCount="3" preOrder="31"')
    + TAIL,
    "control character": HEAD + offer().replace("Мышь", "Мы\x07шь") + TAIL,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_kaspi_would_refuse_is_refused_with_a_reason(tmp_path, text):
    with pytest.raises(InvalidPriceList) as refused:
        check(tmp_path, text)
    assert str(refused.value)


def test_a_fault_at_the_very_end_of_a_long_list_is_found(tmp_path):
    many = "".join(offer(str(number)) for number in range(5000))
    assert check(tmp_path, HEAD + many + TAIL).offers == 5000
    with pytest.raises(InvalidPriceList, match="1"):
        check(tmp_path, HEAD + many + offer("1") + TAIL)
    with pytest.raises(InvalidPriceList):
        check(tmp_path, HEAD + many + offer("5001", price=0) + TAIL)


def test_equal_hashes_of_different_skus_are_no_repetition(tmp_path, monkeypatch):
    monkeypatch.setattr(validating, "hash", lambda _sku: 7, raising=False)
    assert check(tmp_path, HEAD + offer() + offer("2") + TAIL).offers == 2
    with pytest.raises(InvalidPriceList, match="2"):
        check(tmp_path, HEAD + offer() + offer("2") + offer("2") + TAIL)


def test_the_packaged_schema_keeps_skus_unique_for_other_readers():
    with pytest.raises(Exception, match=re.escape("oneOfferPerSku")):
        read_bytes((HEAD + offer() + offer() + TAIL).encode())
