"""What the daily digest says of the goods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from backoffice.formatting import grouped
from catalog.models import ProductChange
from catalog.needs import FOR_A_PERSON, count_quarantine


def digest_of_day(*, since: datetime, until: datetime) -> Sequence[tuple[str, str]]:
    """Count the goods that ran out at the supplier in the span and are out still."""
    ran_out = ProductChange.objects.filter(
        changed_at__gte=since,
        changed_at__lt=until,
        field=ProductChange.Field.STOCK,
        old__gt=0,
        new=0,
        product__stock=0,
    )
    number = ran_out.order_by().values("product").distinct().count()
    return [(_("Goods that ran out"), grouped(number))]


def digest_of_now() -> Sequence[tuple[str, str]]:
    """Count the prices that wait for a person."""
    numbers = count_quarantine()
    text = _("Quarantine, “%(reason)s”")
    return [
        (text % {"reason": reason.label}, grouped(numbers[reason]))
        for reason in FOR_A_PERSON
        if numbers.get(reason)
    ]
