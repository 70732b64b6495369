"""Checks a finished price list: skims it where it is written as `writing` writes it.

The parser judges it against the schema by itself, with no call of ours for each of its
elements, and each line is read by its exact form. Whatever has another form or seems
wrong is left to `validating`, which reads it element by element and says what is wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from lxml import etree

from catalog.models import SKU
from feeds.validating import (
    Checked,
    InvalidPriceList,
    Reading,
    Rules,
    SkuLedger,
    read_closely,
)

HEAD = re.compile(
    rb'<\?xml version="1\.0" encoding="utf-8"\?>\n<kaspi_catalog [^<>&]*>\n'
    rb"<company>[^<]*</company>\n<merchantid>[^<]*</merchantid>\n<offers>\n"
)
# What stands in attributes is what they say: nothing in them is escaped.
OFFER = re.compile(
    rb'^<offer sku="(%s)"><model>[^<\n]*</model><brand>[^<\n]*</brand>'
    rb"<availabilities>((?:<availability [^<>&\n]*/>)+)</availabilities>"
    rb"<price>[0-9]+</price></offer>$" % SKU.pattern.encode(),
    re.MULTILINE,
)
OFFER_ENDS = b"</offer>\n"
TAIL = b"</offers>\n</kaspi_catalog>"


def check_price_list(
    path: Path, *, store_ids: frozenset[str], cities: frozenset[str] = frozenset()
) -> Checked:
    """Check a file against the schema and the business rules.

    `store_ids` and `cities` are those of the active points. Raises `InvalidPriceList`.
    Memory does not grow but for eight bytes an offer.
    """
    found = _skim(path, store_ids=store_ids)
    return found or read_closely(path, store_ids=store_ids, cities=cities)


class _Nobody:
    """Wants to hear of no element."""

    def close(self) -> None:
        return


def _skim(path: Path, *, store_ids: frozenset[str]) -> Checked | None:
    """Return what stands in the file, or None where it has to be read closely."""
    lines, reading = _Lines(), Reading(_Nobody())
    try:
        for chunk in reading.chunks(path):
            if reading.refusal is not None or not lines.take(chunk):
                return None
        on_sale, units = lines.offered(Rules(store_ids))
    except (etree.XMLSyntaxError, InvalidPriceList):
        return None
    if reading.refusal is not None or not lines.are_whole:
        return None
    return reading.found(offers=lines.offers, on_sale=on_sale, units=units)


class _Lines:
    """The lines of a list, as far as they are offers in the form of ours."""

    def __init__(self) -> None:
        self.offers = 0
        self._skus = SkuLedger()
        # How many offers share each text: there are few of them.
        self._availabilities: Counter[bytes] = Counter()
        self._rest = b""

    def take(self, chunk: bytes) -> bool:
        """Take in some more; False where it is not all of our form."""
        text = self._rest + chunk
        if not self.offers:
            head = HEAD.match(text)
            text = text[head.end() :] if head else b""
        until = text.rfind(OFFER_ENDS) + len(OFFER_ENDS)
        if until < len(OFFER_ENDS):
            # The end of the file alone may stand without any.
            self._rest = text
            return self.offers > 0 and TAIL.startswith(text)
        whole, self._rest = text[:until], text[until:]
        found = OFFER.findall(whole)
        self.offers += len(found)
        self._skus.note(sku for sku, _availabilities in found)
        self._availabilities.update([text for _sku, text in found])
        return len(found) == whole.count(b"\n")

    @property
    def are_whole(self) -> bool:
        """Tell whether the last is followed by the end, and no SKU came twice."""
        return self._rest == TAIL and not self._skus.repeated()

    def offered(self, rules: Rules) -> tuple[int, int]:
        """Count the offers on sale and their units; raises `InvalidPriceList`."""
        on_sale = units = 0
        for text, number in self._availabilities.items():
            points = etree.fromstring(b"<points>%s</points>" % text)
            some = sum(
                rules.check_availability({str(k): str(v) for k, v in point.items()})
                for point in points
            )
            units += some * number
            on_sale += number if some else 0
        return on_sale, units
