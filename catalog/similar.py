"""Finds goods that may serve a buyer instead of those that are not to be had."""

from __future__ import annotations

from django.db.models import Case, F, IntegerField, Q, Value, When
from django.db.models.functions import Abs

from catalog.models import Product


def similar_goods(product: Product, *, pieces: int, limit: int) -> list[Product]:
    """List goods in stock with a price: the same part first, then brand, then price."""
    alike = Q()
    if product.category_id is not None:
        alike |= Q(category=product.category_id)
    if product.part_number:
        alike |= Q(part_number=product.part_number)
    if not alike:
        return []
    there = Product.objects.filter(
        alike,
        gone_at__isnull=True,
        stock__gte=max(pieces, 1),
        cost_kzt__gt=1,
        price_kzt__isnull=False,
    ).exclude(pk=product.pk)
    likeness: list[When] = []
    if product.part_number:
        likeness.append(When(part_number=product.part_number, then=Value(0)))
    if product.brand:
        likeness.append(When(brand=product.brand, then=Value(1)))
    rank = Case(*likeness, default=Value(2), output_field=IntegerField())
    distance = Abs(F("cost_kzt") - Value(product.cost_kzt or 0))
    return list(there.order_by(rank, distance, "pk")[:limit])
