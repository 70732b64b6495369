"""Load a catalogue of JSON lines; articles, categories and costs are made up."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.alstyle.catalogue import Good, Shop
from sandbox.alstyle.invented import build_tree

LEAST_PER_LEAF = 25
BRANCHES = (
    "Компьютеры",
    "Периферия",
    "Печать и копирование",
    "Сети и связь",
    "Электропитание",
    "Офис и дом",
)
OTHER = ("Разное", "Прочие товары", "Без группы")


def load_shop(path: str | Path, *, seed: int) -> Shop:
    """Read `article_pn, name, brand, price2, quantity` a line; `.gz` or plain."""
    rows = list(_rows(Path(path)))
    dice = random.Random(seed)
    words = Counter(_first_word(row) for row in rows)
    leaves = {
        word: _path_of(word)
        for word, n in words.items()
        if n >= LEAST_PER_LEAF and word
    }
    categories, ids = build_tree([*sorted(leaves.values()), OTHER])
    articles = sorted(dice.sample(range(1, max(99_999, 4 * len(rows))), len(rows)))
    goods = [
        _good(dice, article, row, ids[leaves.get(_first_word(row), OTHER)])
        for article, row in zip(articles, rows, strict=True)
    ]
    return Shop(goods, categories)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _first_word(row: dict[str, Any]) -> str:
    words = str(row.get("name") or "").split()
    return words[0].strip(",.").capitalize() if words else ""


def _path_of(word: str) -> tuple[str, ...]:
    branch = BRANCHES[zlib.crc32(word.encode()) % len(BRANCHES)]
    letter = word[0].upper()
    return (branch, f"{branch}: {letter}", word)


def _good(
    dice: random.Random, article: int, row: dict[str, Any], category: int
) -> Good:
    price2 = int(row.get("price2") or 0)
    real = 1 < price2 < 9_000_000
    price1 = (
        int(price2 / dice.uniform(1.12, 1.45)) if real else dice.randint(500, 90_000)
    )
    name = str(row.get("name") or "")
    good = Good(
        article=article,
        article_pn=str(row.get("article_pn") or ""),
        name=name,
        full_name=", ".join(filter(None, [name, str(row.get("brand") or "")])),
        category=category,
        price1=max(2, price1),
        price2=price2,
        brand=str(row.get("brand") or ""),
        weight=round(dice.uniform(0.05, 4), 2),
        barcode=f"4870{dice.randint(10**8, 10**9 - 1)}",
    )
    good.show(row.get("quantity", 0))
    return good
