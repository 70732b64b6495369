"""Skimming takes what reading closely takes, and nothing else."""

from datetime import datetime

import pytest

from feeds import checking, validating
from feeds.checking import check_price_list
from feeds.offers import Offer
from feeds.validating import CHUNK_BYTES, InvalidPriceList, read_closely
from feeds.writing import Point, write_price_list
from tests.feeds.test_validating import BAD, HEAD, STORES, TAIL, offer

NOW = datetime.fromisoformat("2026-03-10T11:00:00+05:00")


def is_skimmed(path, store_ids=STORES):
    return checking._skim(path, store_ids=store_ids) is not None


def outcome(check, path):
    """Give what a check found, or that it refused."""
    try:
        return check(path, store_ids=STORES, cities=frozenset())
    except InvalidPriceList:
        return "refused"


def write(path, number, *, points=("PP1", "PP2")):
    offers = (
        Offer(
            f"SKU-{n}",
            f'Мышь {n} <"беспроводная"> & тихая',
            "" if n % 3 else "Zeta",
            n % 5,
            7 if n % 7 == 0 else None,
            1000 + n,
            None,
        )
        for n in range(number)
    )
    return write_price_list(
        path,
        offers,
        points=[Point(store_id=p, stock_share=1, preorder_days=None) for p in points],
        company='Qaz "Demo" & Co',
        merchant_id="Qaz",
        date=NOW,
    )


@pytest.mark.parametrize("number", [1, 2, 7000])
def test_what_we_write_is_skimmed_and_found_as_by_reading_closely(tmp_path, number):
    path = tmp_path / "list.xml"
    written = write(path, number)
    assert number < 7000 or path.stat().st_size > 5 * CHUNK_BYTES
    assert is_skimmed(path)
    checked = check_price_list(path, store_ids=STORES)
    assert checked == read_closely(path, store_ids=STORES, cities=frozenset())
    assert (checked.offers, checked.on_sale, checked.units) == (
        written.offers,
        written.on_sale,
        written.units,
    )


def test_a_list_ends_anywhere_in_what_is_read_at_once(tmp_path, monkeypatch):
    path = tmp_path / "list.xml"
    write(path, 30)
    whole = read_closely(path, store_ids=STORES, cities=frozenset())
    for size in range(700, 1100):
        monkeypatch.setattr(validating, "CHUNK_BYTES", size)
        assert is_skimmed(path)
        assert check_price_list(path, store_ids=STORES) == whole


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_refused_is_never_skimmed(tmp_path, text):
    path = tmp_path / "list.xml"
    path.write_text(text, encoding="utf-8")
    assert not is_skimmed(path)


SOUND = HEAD + offer() + offer("2", point='available="no" storeId="PP2"') + TAIL
OTHER_FORMS = {
    "other quotes": SOUND.replace('"2"', "'2'"),
    "a comment": SOUND.replace("<brand>", "<!-- Мышь --><brand>", 1),
    "a comment about an offer": SOUND.replace(TAIL, f"<!--\n{offer('3')}-->{TAIL}"),
    "an offer as text": SOUND.replace("Мышь", f"<![CDATA[\n{offer('3')}]]>", 1),
    "an entity": SOUND.replace("PP2", "PP&#50;"),
    "spaces": SOUND.replace("<brand>", "\n  <brand>"),
    "a line more": SOUND + "\n",
    "no brand": SOUND.replace("<brand>Zeta</brand>", "", 1),
    "a document type": SOUND.replace(
        "<kaspi_catalog ", '<!DOCTYPE kaspi_catalog [<!ENTITY a "b">]>\n<kaspi_catalog '
    ),
}


@pytest.mark.parametrize("text", OTHER_FORMS.values(), ids=OTHER_FORMS.keys())
def test_what_has_another_form_is_read_closely(tmp_path, text):
    path = tmp_path / "list.xml"
    path.write_text(SOUND, encoding="utf-8")
    assert is_skimmed(path)
    path.write_text(text, encoding="utf-8")
    assert not is_skimmed(path)
    assert outcome(check_price_list, path) == outcome(read_closely, path)


def test_whatever_byte_is_broken_both_ways_agree(tmp_path):
    path = tmp_path / "list.xml"
    sound = SOUND.encode()
    differing = []
    for at in range(len(sound)):
        byte = sound[at : at + 1]
        for put in (b"", byte * 2, b"x", b"0", b'"', b"<", b"&", b"\n"):
            path.write_bytes(sound[:at] + put + sound[at + 1 :])
            if outcome(check_price_list, path) != outcome(read_closely, path):
                differing.append((at, put))
    assert differing == []


def test_a_whole_line_that_is_lost_or_doubled_is_counted_or_refused(tmp_path):
    path = tmp_path / "list.xml"
    lines = SOUND.splitlines(keepends=True)
    for at in range(len(lines)):
        for instead in ([], [lines[at]] * 2):
            text = "".join([*lines[:at], *instead, *lines[at + 1 :]])
            path.write_text(text, encoding="utf-8")
            assert outcome(check_price_list, path) == outcome(read_closely, path)
