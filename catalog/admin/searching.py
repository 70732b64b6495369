"""Finds products by what people type or paste into the search box."""

from __future__ import annotations

from django.db.models import Q


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
    found = (
        Q(article__startswith=word)
        | Q(sku__startswith=word)
        | Q(part_number__istartswith=word)
        | Q(barcode__startswith=word)
    )
    for variant in _variants(word):
        found |= Q(name__icontains=variant)
    return found


def _variants(word: str) -> list[str]:
    """Give the spellings of a word.

    SQLite, and PostgreSQL in the locale C, fold the case of ASCII letters only.
    """
    if word.isascii():
        return [word]
    lower = word.lower()
    return list(dict.fromkeys([lower, lower.capitalize(), word.upper(), word]))
