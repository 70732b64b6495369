"""The catalogue of texts is whole and sure."""

import ast
import re
from pathlib import Path

import pytest

LOCALE = Path(__file__).resolve().parents[2] / "locale"
LINE = re.compile(r'(msgid|msgid_plural|msgstr(?:\[\d\])?) (".*")')


def entries(language):
    """Read a .po file as dicts of its keywords; the header is the first."""
    text = (LOCALE / language / "LC_MESSAGES" / "django.po").read_text("utf-8")
    for block in text.strip().split("\n\n"):
        entry = {"flags": [line for line in block.split("\n") if line[:2] == "#,"]}
        for line in block.split("\n"):
            if match := LINE.fullmatch(line):
                keyword = match[1]
                entry[keyword] = ast.literal_eval(match[2])
            elif line.startswith('"'):
                entry[keyword] += ast.literal_eval(line)
        yield entry


def texts(entry):
    return {k: v for k, v in entry.items() if k.startswith("msgstr")}


@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_text_is_missing_or_unsure(language):
    _header, *rest = entries(language)
    assert len(rest) > 500
    missing = [e["msgid"] for e in rest if not all(texts(e).values())]
    unsure = [e["msgid"] for e in rest if "fuzzy" in "".join(e["flags"])]
    assert (missing, unsure) == ([], [])


def test_russian_counts_in_its_own_way():
    plurals = [e for e in entries("ru") if "msgid_plural" in e]
    assert plurals
    assert all(len(texts(e)) == 4 for e in plurals)


def test_figures_named_in_a_text_are_those_of_the_source():
    named = re.compile(r"%\((\w+)\)[.\d]*[a-z]|\{\}")
    for entry in entries("ru"):
        wanted = sorted(named.findall(entry["msgid"]))
        for text in texts(entry).values():
            if entry["msgid"]:
                assert sorted(named.findall(text)) == wanted, entry["msgid"]
