"""The compiled translations are those of the sources: Django reads only the former."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po"))
FIELD = re.compile(r"^(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?) (.*)$")


def entries(source: Path) -> Iterator[dict[str, str]]:
    """Read the entries that msgfmt would compile: translated and not fuzzy."""
    for block in source.read_text(encoding="utf-8").split("\n\n"):
        entry: dict[str, str] = {}
        field = ""
        for line in block.splitlines():
            if found := FIELD.match(line):
                field, text = found.groups()
                entry[field] = ast.literal_eval(text)
            elif line.startswith('"'):
                entry[field] += ast.literal_eval(line)
        is_fuzzy = re.search(r"^#, .*\bfuzzy\b", block, re.MULTILINE)
        texts = [entry[name] for name in entry if name.startswith("msgstr")]
        if entry.get("msgid") and any(texts) and not is_fuzzy:
            yield entry


@pytest.mark.once
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parent.parent.name)
def test_compiled_translations_are_up_to_date(source):
    with source.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    expected = set()
    for entry in entries(source):
        context, msgid = entry.get("msgctxt"), entry["msgid"]
        if plural := entry.get("msgid_plural"):
            found = compiled.ngettext(msgid, plural, 1)
            assert found == entry["msgstr[0]"], f"{msgid!r}: run compilemessages"
            continue
        found = (
            compiled.pgettext(context, msgid) if context else compiled.gettext(msgid)
        )
        assert found == entry["msgstr"], f"{msgid!r}: run compilemessages"
        expected.add(f"{context}\x04{msgid}" if context else msgid)
    catalog = compiled._catalog  # type: ignore[attr-defined]
    stale = {key for key in catalog if isinstance(key, str) and key} - expected
    assert not stale, "run compilemessages"
