"""Fill the page's templates: whatever is not HTML already is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from string import Template

FOLDER = Path(__file__).with_name("templates")


class Markup(str):
    """Text that is HTML already; only `fill` and `fill_each` make it."""

    __slots__ = ()


@cache
def _template(name: str) -> Template:
    return Template((FOLDER / name).read_text(encoding="utf-8"))


def fill(name: str, /, **values: object) -> Markup:
    """Put values into a template; raises KeyError for a name without a value."""
    safe = {
        key: value if isinstance(value, Markup) else escape(str(value))
        for key, value in values.items()
    }
    return Markup(_template(name).substitute(safe))


def fill_each(name: str, rows: Iterable[Mapping[str, object]]) -> Markup:
    return Markup("".join(fill(name, **row) for row in rows).rstrip())
