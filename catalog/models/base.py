"""What several models of the catalogue stand on."""

from __future__ import annotations

import re
import string
from typing import Any

from django.db import models
from django.db.models import Func
from django.utils.translation import gettext
from simple_history.models import HistoricalRecords

from backoffice.formatting import grouped

# What Kaspi takes for an SKU; `Product.is_sku_usable` says the same in the database.
SKU_SIGNS = f"{string.digits}{string.ascii_letters}_-"
SKU_LENGTH = 20
SKU = re.compile(rf"[{SKU_SIGNS}]{{1,{SKU_LENGTH}}}", re.ASCII)
# Ten times what the dearest good may cost (`pricing`): more comes of a typing error,
# and with a city's supplement on top it would not fit the databases.
HIGHEST_PRICE_KZT = 90_000_000


def beyond_any_price(row: models.Model, *names: str) -> dict[str, str]:
    """Say of which amounts in tenge of an unsaved row that no price can be so high."""
    text = gettext("More than any price may be: %(limit)s ₸.")
    text %= {"limit": grouped(HIGHEST_PRICE_KZT)}
    amounts = {name: getattr(row, name) or 0 for name in names}
    return {name: text for name, kzt in amounts.items() if kzt > HIGHEST_PRICE_KZT}


class Bare(Func):
    """A text without the given signs at its ends; "" when it has no others at all."""

    function = "TRIM"
    arity = 2

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        return self.as_sql(compiler, connection, function="BTRIM", **kwargs)


def kept_history(*excluded: str) -> HistoricalRecords:
    """Keep what staff decided: who, when and why; imports write rows in bulk past it.

    `excluded` are the peers' fields and what is worked out from others.
    """
    return HistoricalRecords(
        excluded_fields=list(excluded),
        history_change_reason_field=models.CharField(
            max_length=300, null=True, blank=True
        ),
    )
