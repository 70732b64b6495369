"""Finds products by what people type or paste into the search box."""

from __future__ import annotations

from django.db.models import Q

from backoffice.searching import beginning, holding


def matching(text: str) -> Q:
    """Match pasted numbers, one or many, else goods whose name has all the words."""
    words = text.replace(",", " ").split()
    if len(words) > 1 and all(word.isdecimal() for word in words):
        return Q(article__in=words) | Q(sku__in=words) | Q(barcode__in=words)
    found = Q()
    for word in words:
        found &= _holding(word)
    return found


def _holding(word: str) -> Q:
    found = holding("name", word)
    if word.isalpha() and not word.isascii():
        # No number has such letters: four comparisons less for each row.
        return found
    # The case is folded here rather than in each row.
    for spelling in dict.fromkeys((word, word.upper())):
        found |= beginning("sku", spelling) | beginning("part_number", spelling)
    if not word.isalpha():
        found |= beginning("article", word) | beginning("barcode", word)
    return found
