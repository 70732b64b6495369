"""Finds products by what people type or paste into the search box."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from backoffice.searching import beginning
from catalog.models import Product, ProductWords

# More are neither counted nor named: who sees so many types another word.
MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The products that match a text.

    `pks` are all of them, or the first when there are more: `are_many`. Then only
    `condition` finds all.
    """

    condition: Q
    pks: list[int]
    are_many: bool

    @property
    def chosen(self) -> Q:
        """Find them all in the quickest way.

        Few are named one by one; many are soon met by going through the goods.
        """
        return self.condition if self.are_many else among(self.pks)


def matching(text: str) -> Q:
    """Match the goods that `find_matches` finds."""
    return find_matches(text).chosen


def find_matches(text: str, *, most: int = MOST) -> Matches:
    """Find goods by pasted numbers, one or many, else by all words; in one query."""
    words = text.replace(",", " ").split()
    if len(words) > 1 and all(word.isdecimal() for word in words):
        condition = Q(article__in=words) | Q(sku__in=words) | Q(barcode__in=words)
        found = Product.objects.order_by("pk").filter(condition).values_list("pk")
    else:
        condition = reduce(and_, map(_holding, words), Q())
        found = _found_by(words)
    pks = [pk for (pk,) in found[: most + 1]]
    return Matches(condition=condition, pks=pks[:most], are_many=len(pks) > most)


def _found_by(words: list[str]) -> QuerySet[Any, tuple[int]]:
    """Give the pks of goods that match all words, each once.

    Either all stand in the name, or at least one begins a number: of such goods alone,
    which an index gives, it is asked of each word in either way.
    """
    named = ProductWords.objects.order_by().holding(*words)
    beginnings = [found for word in words if (found := _beginning(word))]
    if not beginnings:
        return named.values_list("pk")
    numbered = Product.objects.order_by().filter(reduce(or_, beginnings))
    if len(words) > 1:
        numbered = numbered.filter(reduce(and_, map(_holding, words)))
    others = numbered.exclude(Exists(named.filter(pk=OuterRef("pk"))))
    return named.values_list("pk").union(others.values_list("pk"), all=True)


def among(pks: list[int]) -> Q:
    """Match products by many primary keys: one value for the database to read."""
    if connection.vendor == "postgresql":
        return Q(pk__in=RawSQL("SELECT unnest(%s::bigint[])", [pks]))
    return Q(pk__in=RawSQL("SELECT value FROM json_each(%s)", [json.dumps(pks)]))


def _holding(word: str) -> Q:
    """Match goods with the word in the name, or at the beginning of a number."""
    named = ProductWords.objects.holding(word).filter(pk=OuterRef("pk"))
    return Q(Exists(named)) | _beginning(word)


def _beginning(word: str) -> Q:
    """Match goods one of whose numbers begins so; an empty condition if none can."""
    if word.isalpha() and not word.isascii():
        # No number has such letters.
        return Q()
    found = Q()
    for spelling in dict.fromkeys((word, word.upper())):
        found |= beginning("sku", spelling) | beginning("part_number", spelling)
    if not word.isalpha():
        found |= beginning("article", word) | beginning("barcode", word)
    return found
