"""The account's one cart, shared with the people who use the portal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sandbox.alstyle.catalogue import ON_REQUEST, Good, Shop
from sandbox.alstyle.settings import AlStyleSettings

FIRST_ITEM = 7_340_001


class AddRefused(Exception):
    """The article cannot be put into the cart, in the portal's words."""


@dataclass(slots=True, kw_only=True)
class CartRow:
    """One row. `theirs`: how many of its pieces a manager put there by hand.

    `seen`: `get` has shown it as it is now.
    """

    item_id: int
    article: int
    quantity: int
    is_markdown: bool = False
    theirs: int = 0
    seen: bool = False
    time: float = 0.0


class Cart:
    """Rows by item id. What our calls did to a manager's pieces is kept in
    `foreign_touched`: by which call, of which article, how many pieces, whether `get`
    had shown them before, when, and into which order they went.
    """

    def __init__(self, shop: Shop, settings: AlStyleSettings) -> None:
        self.rows: dict[int, CartRow] = {}
        self.foreign_touched: list[dict[str, Any]] = []
        self._readings = 0
        self.last_item = FIRST_ITEM
        self._shop = shop
        self._settings = settings

    def add(self, article: int, quantity: int, now: float) -> None:
        """Add or replace, as the switch says; raises AddRefused with its words."""
        row = self._row_of(article)
        wanted = quantity
        if row is not None and self._settings.cart_adds == "add":
            wanted += row.quantity
        problem = self._problem(article, wanted)
        if problem is not None:
            if self._settings.add_refusal not in ("clamp", "accept"):
                raise AddRefused(problem)
            wanted = self._possible(article, wanted)
            if wanted <= 0:
                raise AddRefused(problem)
        if row is not None:
            self._touch(row, "add", now)
            if self._settings.cart_adds == "replace":
                row.theirs = 0
            row.quantity, row.time, row.seen = wanted, now, False
            return
        good = self._shop.goods[article]
        markdown = self._settings.adds_markdown and good.quantity_markdown > 0
        self._put(article, wanted, now, is_markdown=markdown)

    def _put(
        self,
        article: int,
        quantity: int,
        now: float,
        *,
        is_markdown: bool = False,
        theirs: int = 0,
    ) -> CartRow:
        self.last_item += 1
        row = CartRow(
            item_id=self.last_item,
            article=article,
            quantity=quantity,
            is_markdown=is_markdown,
            theirs=theirs,
            time=now,
        )
        self.rows[row.item_id] = row
        return row

    def add_foreign(
        self, article: int, quantity: int, now: float, *, is_markdown: bool = False
    ) -> int:
        """Put a manager's pieces into the cart; return the row's item id.

        The portal adds or replaces as the API does: our pieces may be replaced.
        """
        row = self._row_of(article)
        if row is None or row.is_markdown or is_markdown:
            row = self._put(
                article, quantity, now, is_markdown=is_markdown, theirs=quantity
            )
        elif self._settings.cart_adds == "add":
            row.quantity, row.theirs = row.quantity + quantity, row.theirs + quantity
        elif row.quantity != quantity:
            row.quantity = row.theirs = quantity
        else:
            # What he wants is there already: nobody could tell whose it is.
            return row.item_id
        row.time, row.seen = now, False
        return row.item_id

    def drop_foreign(self) -> int:
        """Let the manager take his pieces out; return how many rows had some."""
        mixed = [row for row in self.rows.values() if row.theirs]
        for row in mixed:
            row.quantity, row.theirs = row.quantity - row.theirs, 0
            if row.quantity <= 0:
                del self.rows[row.item_id]
        return len(mixed)

    def remove(self, article: int, now: float) -> bool:
        """Take an article out, whoever put it in; say whether it was there."""
        gone = [row for row in self.rows.values() if row.article == article]
        for row in gone:
            self._touch(row, "remove", now)
            del self.rows[row.item_id]
        return bool(gone)

    def clear(self, now: float) -> None:
        for row in self.rows.values():
            self._touch(row, "clear", now)
        self.rows.clear()

    def turn_into_order(self, order: int, now: float) -> None:
        """Let submit take the rows, a manager's too; empty the cart unless told not."""
        for row in self.rows.values():
            self._touch(row, "submit", now, order=order)
        if not self._settings.submit_keeps_cart:
            self.rows.clear()

    def theirs(self) -> dict[int, int]:
        """Return a manager's pieces by article."""
        return {row.article: row.theirs for row in self.rows.values() if row.theirs}

    def shown(self) -> dict[str, Any] | list[Any]:
        """Return the rows as `get` shows them; an empty cart is an empty list."""
        self._readings += 1
        for row in self.rows.values():
            row.seen = True
        shown = [self._shown(row) for row in self.rows.values()]
        return {str(row["id"]): row for row in shown} or []

    def hash(self) -> str:
        """Return the mark that changes with the cart."""
        text = ",".join(f"{r.article}x{r.quantity}" for r in self.rows.values())
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def _shown(self, row: CartRow) -> dict[str, Any]:
        marks = self._settings.cart_marks
        good = self._shop.goods.get(row.article) or Good(article=row.article)
        price = good.price_markdown if row.is_markdown else good.price1
        balance = good.quantity_markdown if row.is_markdown else good.quantity
        return {
            "article": row.article,
            "quantity": row.quantity,
            "price": price,
            "price2": str(good.price2),
            "balance": str(balance),
            "is_markdown": int(row.is_markdown),
            "multiplicity": good.multiplicity,
            "total": price * row.quantity,
            "label": good.name,
            "id": self._number(row),
            "time": int(row.time) + self._readings * (marks != "kept"),
        }

    def _number(self, row: CartRow) -> int:
        if self._settings.cart_marks == "renumbered":
            return FIRST_ITEM + self._readings * 1000 + row.item_id % 1000
        if self._settings.cart_numbers == "goods":
            return FIRST_ITEM + row.article * 2 + row.is_markdown
        return row.item_id

    def _row_of(self, article: int) -> CartRow | None:
        found = (row for row in self.rows.values() if row.article == article)
        return next(found, None)

    def _touch(
        self, row: CartRow, by: str, now: float, *, order: int | None = None
    ) -> None:
        if row.theirs:
            self.foreign_touched.append(
                {
                    "by": by,
                    "article": row.article,
                    "quantity": row.theirs,
                    "seen": row.seen,
                    "at": now,
                    "order": order,
                }
            )

    def _problem(self, article: int, quantity: int) -> str | None:
        good = self._shop.goods.get(article)
        if good is None:
            return f"Товар {article} не найден"
        if quantity <= 0:
            return "Неверное количество"
        if good.price1 <= ON_REQUEST:
            return f"Товар {article}: цена по запросу"
        if good.available < quantity:
            return f"Товар {article}: недостаточно на складе"
        if good.multiplicity and quantity % good.multiplicity:
            return f"Товар {article}: количество должно быть кратно {good.multiplicity}"
        return None

    def _possible(self, article: int, quantity: int) -> int:
        good = self._shop.goods.get(article)
        if good is None or quantity <= 0 or self._settings.add_refusal == "accept":
            return quantity if good is not None else 0
        step = good.multiplicity or 1
        rounded_up = -(-quantity // step) * step
        return min(rounded_up, good.available // step * step)
