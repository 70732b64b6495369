"""What a scanner typed: readings of it, the goods and the parcel it may mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Q

from catalog.models import Product
from orders.models import Order, OrderLine, Waybill

LONGEST = 120
# "3*4870…": three pieces at once; the figure stands before the code.
MANY = re.compile(r"([0-9]{1,4})[*×](.+)")
# A label of the second place may bear the number with the place behind it.
PLACE = re.compile(r"(.{5,}?)[-_/][0-9]{1,3}")
# A barcode of 12 digits is one of 13 that begins with a zero.
ZEROES = re.compile(r"0+(?=[0-9]{8,}$)")
SEPARATORS = re.compile(r"[\s,;|]+")

# A scanner presses keys; what they type depends on the layout that is switched on.
RUSSIAN = str.maketrans(
    "йцукенгшщзхъфывапролджэячсмитьбю.ё",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,./`",
)
KAZAKH = str.maketrans('"әіңғ,.үұқөһ', "1234567890-=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scan: how many pieces, and what the code may read, the likeliest first."""

    pieces: int
    codes: tuple[str, ...]

    @property
    def shown(self) -> str:
        return self.codes[0]


def read_scan(text: str) -> Scan | None:
    """Read what was typed; None when there is nothing in it."""
    code = "".join(c for c in text if c.isprintable()).strip()[:LONGEST]
    pieces = 1
    if many := MANY.fullmatch(code):
        pieces, code = int(many[1]), many[2].strip()
    if not code or not pieces:
        return None
    lower = code.lower()
    digits = lower.translate(KAZAKH)
    typed = (lower, digits, lower.translate(RUSSIAN), digits.translate(RUSSIAN))
    codes = dict.fromkeys([code, *(variant.upper() for variant in typed)])
    return Scan(pieces=pieces, codes=tuple(codes))


def plain(code: str) -> str:
    """Write a code as all its spellings are compared: in capitals, without zeroes."""
    return ZEROES.sub("", code.strip().upper())


def codes_of(line: OrderLine) -> set[str]:
    """List what may stand on a line's goods."""
    texts = [line.sku]
    if product := line.product:
        texts += [product.article, product.sku, product.part_number]
        texts += SEPARATORS.split(product.barcode)
    return {plain(text) for text in texts if text.strip()}


def find_product(scan: Scan) -> Product | None:
    """Find the good of a scan among all that we know."""
    wanted = {
        form
        for code in scan.codes
        for form in (code, *(f"{zeroes}{plain(code)}" for zeroes in ("", "0", "00")))
    }
    found = Product.objects.filter(
        Q(article__in=wanted)
        | Q(sku__in=wanted)
        | Q(part_number__in=wanted)
        | Q(barcode__in=wanted)
    )
    return found.order_by("gone_at", "pk").first()


def find_parcel(scan: Scan) -> tuple[Order, bool] | None:
    """Find the order of a label, and whether another label has replaced that one."""
    numbers = [
        number
        for code in scan.codes
        for number in (code, *(m[1] for m in [PLACE.fullmatch(code)] if m))
    ]
    for number in dict.fromkeys(numbers):
        order = Order.objects.filter(code=number).first()
        order = order or Order.objects.filter(waybill_number=number).first()
        if order is not None:
            return order, False
        waybill = Waybill.objects.filter(number=number).select_related("order").first()
        if waybill is not None:
            current = waybill.order.waybill_number
            return waybill.order, current not in ("", number)
    return None
