"""Finds products by what people type or paste into the search box."""

from __future__ import annotations

from django.db.models import Q

from backoffice.searching import holding


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
    return (
        found
        | Q(article__startswith=word)
        | Q(sku__startswith=word)
        | Q(part_number__istartswith=word)
        | Q(barcode__startswith=word)
    )
