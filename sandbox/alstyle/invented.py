"""Make up the default catalogue: the same goods for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from sandbox.alstyle.catalogue import Category, Good, Shop
from sandbox.alstyle.ranges import BRANDS, RANGES, Range

FIRST_CATEGORY = 9100
PLACEHOLDERS = (0, 1, 9_999_999)
THRESHOLDS = (50, 50, 50, 50, 60, 100, 500, 6000)

Path = tuple[str, ...]


def invented_shop(*, seed: int, count: int = 360) -> Shop:
    """Build about `count` goods of all ranges with the contract's shares of quirks."""
    dice = random.Random(seed)
    categories, ids = build_tree([item.path for item in RANGES])
    articles = iter(sorted(dice.sample(range(1_000, 79_000), count)))
    order = [RANGES[i % len(RANGES)] for i in range(count)]
    dice.shuffle(order)
    goods = [_good(dice, next(articles), item, ids[item.path]) for item in order]
    season(dice, goods)
    return Shop(goods, categories)


def build_tree(paths: Iterable[Path]) -> tuple[list[Category], dict[Path, int]]:
    """Number the paths' nodes as nested sets; return them and the id of each path."""
    children: dict[Path, list[Path]] = {(): []}
    for path in paths:
        for depth in range(1, len(path) + 1):
            node, parent = path[:depth], path[: depth - 1]
            if node not in children:
                children[node] = []
                children[parent].append(node)
    categories: list[Category] = []
    ids: dict[Path, int] = {}
    counter = 0

    def number(node: Path) -> None:
        nonlocal counter
        counter += 1
        ids[node] = FIRST_CATEGORY + 2 * len(ids)
        category = Category(
            id=ids[node], name=node[-1], left=counter, right=0, level=len(node)
        )
        categories.append(category)
        for child in children[node]:
            number(child)
        counter += 1
        category.right = counter

    for top in children[()]:
        number(top)
    return categories, ids


def _good(dice: random.Random, article: int, item: Range, category: int) -> Good:
    brand = dice.choice(BRANDS)
    suffix = dice.choice(("", "", "B", "W", " Pro", " Lite"))
    model = f"{item.prefix}-{dice.randint(101, 999)}{suffix}"
    features = [dice.choice(options) for options in item.features]
    # Squared dice: most goods of a range are cheap, a few are dear.
    span = item.dearest - item.cheapest
    price1 = item.cheapest + int(span * dice.random() ** 2)
    return Good(
        article=article,
        article_pn=model.replace(" ", ""),
        name=f"{item.noun} {brand} {model}",
        full_name=", ".join([item.noun, brand, model, *features]),
        category=category,
        price1=price1,
        price2=_round_up(int(price1 * dice.uniform(1.18, 1.6))),
        stock=0 if dice.random() < 0.24 else dice.randint(1, 50),
        shown_above=dice.choice(THRESHOLDS),
        isnew=int(dice.random() < 0.05),
        brand=brand,
        weight=round(item.weight_kg * dice.uniform(0.8, 1.2), 2),
        barcode=f"4870{dice.randint(10**8, 10**9 - 1)}" if dice.random() < 0.9 else "",
        multiplicity=item.pack if item.pack > 1 else None,
        rrp=int(dice.random() < 0.1),
        tnved=str(dice.randint(8_400_000_000, 8_599_999_999)),
        description=f"<p>{item.noun} <b>{brand}</b>: {', '.join(features)}.</p>",
        properties={f"Параметр {i}": v for i, v in enumerate(features, start=1)},
    )


def _round_up(price: int) -> int:
    step = 10 if price < 10_000 else 100
    return -(-price // step) * step


def season(dice: random.Random, goods: list[Good]) -> None:
    """Give the goods the contract's exact shares of oddities."""

    def some(share: float) -> list[Good]:
        return dice.sample(goods, max(2, round(len(goods) * share)))

    _season_figures(dice, some)
    for good in some(0.024):
        good.article_pn = ""
    for good in some(0.01):
        good.brand = ""
    shared = some(0.04)
    for one, other in zip(shared[::2], shared[1::2], strict=False):
        other.article_pn = one.article_pn


def _season_figures(dice: random.Random, some: Callable[[float], list[Good]]) -> None:
    for good in some(0.25):
        good.stock = good.shown_above * dice.randint(1, 3) + dice.randint(1, 40)
    for good in some(0.008):
        good.stock = -dice.randint(1, 3)
    for number, good in enumerate(some(0.03)):
        good.price2 = PLACEHOLDERS[number % len(PLACEHOLDERS)]
    for good in some(0.01):
        good.price1 = 1
    for good in some(0.04):
        good.quantity_markdown = dice.randint(1, 3)
        good.price_markdown = good.price1 * 7 // 10
    for good in some(0.03):
        good.discount = dice.choice((5, 10, 15))
    for good in some(0.04):
        good.expected_weeks = dice.randint(1, 8)


ODD_NAMES = (
    'Кабель <b>"Ёж & Ко"</b> 5\' & адаптер <USB>',
    "Мышь 🐭 «Огонь» 🔥",
    "Клавиатура\x00 с\x0b управляющими\x1f символами\ud800",
    "Очень длинное название " * 435,
    "   ",
    "",
    "Стяжка\nв две строки\tи с табуляцией",
    "&amp; уже &lt;экранировано&gt; ]]>",
)


def add_odd_goods(shop: Shop, *, first_article: int = 90_001) -> list[int]:
    """Append goods with markup, emoji, control characters and 10 000 letters in their
    names; return their articles.
    """
    articles = []
    for number, name in enumerate(ODD_NAMES):
        article = first_article + number
        shop.add_good(article, name=name, full_name=name, brand="Zeta", stock=7)
        articles.append(article)
    return articles
