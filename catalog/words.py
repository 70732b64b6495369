"""Compares the names that the search reads with those of the goods, and mends them."""

from __future__ import annotations

from itertools import islice

from django.db import transaction
from django.db.models import F

from catalog.import_runs import take_writing_lease
from catalog.models import Product, ProductWords
from plumbing.rows import insert_rows, update_rows

ROWS_AT_ONCE = 5000


def mend_words() -> int:
    """Bring what the search reads in line with the names of goods; return how many.

    Imports keep it so: only another release's code, or a hand in the database, leaves
    anything to mend. Raises `LeaseTaken`.
    """
    with take_writing_lease() as lease, transaction.atomic():
        lease.confirm()
        orphans = ProductWords.objects.exclude(pk__in=Product.objects.values("pk"))
        mended, _by_model = orphans.delete()
        goods = Product.objects.order_by("pk").values_list("pk", "name")
        rows = goods.annotate(text=F("words__text")).iterator(chunk_size=ROWS_AT_ONCE)
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            differs = [
                (name.lower(), pk, text is None)
                for pk, name, text in chunk
                if text != name.lower()
            ]
            missing = [(pk, text) for text, pk, is_new in differs if is_new]
            insert_rows(ProductWords, ("product", "text"), missing)
            changed = [(text, pk) for text, pk, is_new in differs if not is_new]
            update_rows(ProductWords, ("text",), changed)
            mended += len(differs)
    return mended
