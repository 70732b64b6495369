"""Each text of the code stands in the catalogues, translated and sure."""

from __future__ import annotations

import re

import pytest

from tests.texts import (
    Entry,
    read_catalogue,
    texts_of_python,
    texts_of_template,
    texts_of_the_code,
)

# Texts of Django's that we say otherwise: they need not name all it names.
DJANGOS = "django"
NAMED = re.compile(r"%\((\w+)\)[.\d]*[a-z]|\{\w*\}|%[sd]")


def translations(entry: Entry) -> list[str]:
    return [text for name, text in entry.items() if name.startswith("msgstr")]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_text_of_the_code_stands_in_the_catalogue(language):
    known = {(e.get("msgctxt", ""), e["msgid"]): e for e in read_catalogue(language)}
    code = texts_of_the_code()
    missing = {text: where for text, where in code.items() if text[:2] not in known}
    assert missing == {}
    # Asked for by number, an entry without numbers is not found at all.
    plurals = {text for text in code if text[2]}
    other = {t for t in plurals if known[t[:2]].get("msgid_plural") != t[2]}
    assert other == set()
    assert {text[:2] for text in plurals}.isdisjoint(
        text[:2] for text in code if not text[2]
    )


@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_text_is_missing_or_unsure(language):
    entries = list(read_catalogue(language))
    assert len(entries) > 500
    missing = [e["msgid"] for e in entries if not all(translations(e))]
    unsure = [e["msgid"] for e in entries if "fuzzy" in e]
    assert (missing, unsure) == ([], [])


def test_a_kazakh_text_is_sure_and_still_used():
    used = {text[1] for text in texts_of_the_code()}
    entries = [e for e in read_catalogue("kk") if e["where"] != DJANGOS]
    assert len(entries) > 250
    assert [e["msgid"] for e in entries if not all(translations(e))] == []
    assert [e["msgid"] for e in entries if "fuzzy" in e] == []
    assert [e["msgid"] for e in entries if e["msgid"] not in used] == []


def test_russian_counts_in_its_own_way():
    plurals = [e for e in read_catalogue("ru") if "msgid_plural" in e]
    assert plurals
    assert all(len(translations(e)) == 4 for e in plurals)


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_figures_named_in_a_text_are_those_of_the_source(language):
    for entry in read_catalogue(language):
        # "One step waits" may name in another language's form the number it has.
        source = entry["msgid"] + entry.get("msgid_plural", "")
        wanted = sorted(NAMED.findall(source))
        is_free = entry["where"] == DJANGOS or "msgid_plural" in entry
        for text in translations(entry):
            found = sorted(NAMED.findall(text))
            fits = set(found) <= set(wanted) if is_free else found == wanted
            assert fits, entry["msgid"]


def test_texts_are_found_however_they_are_called():
    source = """
from django.utils.translation import gettext as _, ngettext_lazy as many
_("one"); many("%d two", "%d twos", n); pgettext("verb", "three"); other("four")
_("long "
  "text")
"""
    assert list(texts_of_python(source)) == [
        ("", "one", ""),
        ("", "%d two", "%d twos"),
        ("verb", "three", ""),
        ("", "long text", ""),
    ]
    template = """{% load i18n %}{% translate "it's" %} {{ _("two") }}
{% blocktranslate count n=x trimmed %}
  {{ n }} page of 5 %
{% plural %}{{ n }} pages{% endblocktranslate %}{% translate "May" context "verb" %}"""
    assert list(texts_of_template(template)) == [
        ("", "it's", ""),
        ("", "two", ""),
        ("", "%(n)s page of 5 %%", "%(n)s pages"),
        ("verb", "May", ""),
    ]
