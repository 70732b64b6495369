"""What the daily digest says of the goods."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _

from backoffice.dashboard import DigestLine
from backoffice.formatting import grouped
from catalog.models import ProductChange
from catalog.needs import FOR_A_PERSON, count_quarantine


def digest_of_day(*, since: datetime, until: datetime) -> Iterator[DigestLine]:
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
    yield DigestLine(label=_("Goods that ran out"), value=grouped(number))


def digest_of_now() -> Iterator[DigestLine]:
    """Count the prices that wait for a person."""
    numbers = count_quarantine()
    for reason in FOR_A_PERSON:
        if number := numbers.get(reason):
            text = _("Quarantine, “%(reason)s”") % {"reason": reason.label}
            yield DigestLine(label=text, value=grouped(number))
