"""The texts that the code shows, and what the catalogues say to them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[1]
# These say nothing to staff, or say it in both languages at once.
OTHERS = {"bench", "launch", "sandbox", "tests"}
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")} - OTHERS
SINGLE = {"gettext", "gettext_lazy", "gettext_noop", "pgettext", "pgettext_lazy"}
PLURAL = {"ngettext", "ngettext_lazy", "npgettext", "npgettext_lazy"}
FIELD = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (\".*\")")
TRANSLATION = "django.utils.translation"
LITERAL = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
TEMPLATE_CALL = re.compile(
    rf"\b(n?p?gettext|_)\(\s*({LITERAL})(?:,\s*({LITERAL}))?(?:,\s*({LITERAL}))?"
)
# A text of one language's own: (context, text, its plural).
Text = tuple[str, str, str]
Entry = dict[str, str]


def texts_of_python(source: str) -> Iterator[Text]:
    """Give the texts that a module hands to gettext, whatever it calls it."""
    tree = ast.parse(source)
    meant = {name: name for name in SINGLE | PLURAL}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == TRANSLATION:
            meant |= {a.asname: a.name for a in node.names if a.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            given = [word for word in words if isinstance(word, str)]
            yield from _text(meant.get(called, ""), given)


def texts_of_template(source: str) -> Iterator[Text]:
    """Give a template's texts; Django turns it into the calls that xgettext reads."""
    for name, *literals in TEMPLATE_CALL.findall(templatize(source)):
        given = [ast.literal_eval(literal) for literal in literals if literal]
        yield from _text("gettext" if name == "_" else name, given)


def _text(name: str, words: list[str]) -> Iterator[Text]:
    """Give the text of a call, if the words are given in it."""
    wanted = ("pgettext" in name) + (2 if name in PLURAL else 1)
    if name in SINGLE | PLURAL and len(words) >= wanted:
        context = words.pop(0) if "pgettext" in name else ""
        yield context, words[0], words[1] if name in PLURAL else ""


def texts_of_the_code() -> dict[Text, str]:
    """Read every text of the bridge with the file it stands in first."""
    found: dict[Text, str] = {}
    for package in sorted(PACKAGES):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if "/migrations/" in name:
                continue
            for text in texts_of_python(path.read_text("utf-8")):
                found.setdefault(text, name)
    for path in sorted((ROOT / "templates").rglob("*.html")):
        name = str(path.relative_to(ROOT))
        for text in texts_of_template(path.read_text("utf-8")):
            found.setdefault(text, name)
    return found


def read_catalogue(language: str) -> Iterator[Entry]:
    """Read a .po file's entries, fuzzy ones marked; the header is left out."""
    path = ROOT / "locale" / language / "LC_MESSAGES" / "django.po"
    for block in path.read_text("utf-8").strip().split("\n\n"):
        entry: Entry = {}
        field = ""
        for line in block.splitlines():
            if found := FIELD.fullmatch(line):
                field = found[1]
                entry[field] = ast.literal_eval(found[2])
            elif line.startswith('"'):
                entry[field] += ast.literal_eval(line)
        if re.search(r"^#, .*\bfuzzy\b", block, re.MULTILINE):
            entry["fuzzy"] = "fuzzy"
        entry["where"] = block.partition("\n")[0].removeprefix("#: ")
        if entry.get("msgid"):
            yield entry
