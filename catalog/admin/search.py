"""What the search box finds among the goods."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from backoffice.formatting import Tone, money, pill, stock_text
from backoffice.searching import SHOWN, Hit, Hits, Sought
from catalog.admin.searching import find_matches
from catalog.models import Product

COLUMNS = (
    *("article", "sku", "name", "part_number", "stock", "stock_is_lower_bound"),
    *("price_kzt", "quarantine", "gone_at"),
)


def find_by_number(request: HttpRequest, sought: Sought) -> list[Product]:
    """Find goods whose own number is typed, one more than shown; by indexes."""
    numbers = sought.numbers
    condition = (
        Q(article__in=numbers)
        | Q(sku__in=numbers)
        | Q(part_number__in=numbers)
        | Q(barcode__in=numbers)
    )
    return _read(request, condition) if numbers else []


def find_by_words(request: HttpRequest, sought: Sought) -> list[Product]:
    """Find goods by words of their names, or by the beginning of a number."""
    if digits := sought.digits:
        # Parts of names would be found by chance.
        begins = Q(article__startswith=digits) | Q(sku__startswith=digits)
        return _read(request, begins)
    if not request.user.has_perm("catalog.view_product"):
        return []
    pks = find_matches(" ".join(sought.words), most=SHOWN + 1).pks
    return _read(request, Q(pk__in=pks)) if pks else []


def tell_goods(goods: list[Product]) -> Hits:
    """Show what was found: what is still sold by the supplier first."""
    return Hits(
        title=_("Goods"),
        hits=[_hit(product) for product in goods[:SHOWN]],
        is_cut=len(goods) > SHOWN,
    )


def _read(request: HttpRequest, condition: Q) -> list[Product]:
    if not request.user.has_perm("catalog.view_product"):
        return []
    products: QuerySet[Product] = Product.objects.filter(condition)
    found = list(products.only(*COLUMNS)[: SHOWN + 1])
    return sorted(found, key=lambda product: product.is_gone)


def _hit(product: Product) -> Hit:
    numbers = [_("article %(article)s") % {"article": product.article}]
    if product.sku != product.article:
        numbers.append(f"SKU {product.sku}")
    if product.part_number:
        numbers.append(product.part_number)
    if product.is_gone:
        state = pill(_("gone from the catalogue"), Tone.QUIET)
    elif product.quarantine:
        state = pill(product.get_quarantine_display(), Tone.WARN)
    else:
        in_stock = stock_text(
            product.stock, is_lower_bound=product.stock_is_lower_bound
        )
        tone = Tone.GOOD if product.stock else Tone.QUIET
        state = pill(_("stock %(number)s") % {"number": in_stock}, tone)
    price = [] if product.price_kzt is None else [money(product.price_kzt)]
    return Hit(
        title=product.name,
        url=reverse("admin:catalog_product_change", args=[product.pk]),
        pill=state,
        details=[" · ".join(numbers), *price],
    )
