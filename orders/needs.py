"""What of the orders needs a person, as the overview and alerts tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile

from django.conf import settings
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backoffice.asking import Answers, Number, Questions, Rows, objects
from backoffice.dashboard import Need, NeedKind, Role
from backoffice.formatting import Tone, absolute, ago, grouped
from orders.admin.moments import ask_kaspi_clock
from orders.admin.situation import fact_value, shortened
from orders.kaspi.words import said
from orders.models import (
    Finding,
    LearnedFact,
    Order,
    Purchase,
    ReadMark,
    Step,
    SupplierAccount,
)
from orders.supply.submission import attorney_ends_on
from orders.supply.supervision import is_supervised
from plumbing.models import Failure
from plumbing.redaction import redact

# How far back a cart that is kept from us is looked for.
PURCHASES_LOOKED_AT = 50
# What was seen of a purchase under supervision may be long.
PURCHASE_FIELDS = (
    *("id", "status", "stage", "paused_at", "reference", "created_at"),
    *("lines", "cart_before", "cart_after"),
)
CART_OCCUPIED_LONG = timedelta(minutes=30)
ATTORNEY_NEAR, ATTORNEY_URGENT = timedelta(days=30), timedelta(days=7)
# A shop just set up is told sooner than one that has seen orders.
FIRST_ORDER_WITHIN = timedelta(days=1)
# Of orders cancelled as out of stock: Kaspi's limit, and where we speak up.
SHARE_PUNISHED, SHARE_WARNED = 0.05, 0.03
SHARE_COUNTED = timedelta(days=30)

OPERATOR, OWNER = (Role.OPERATOR,), (Role.OWNER,)
STUCK = NeedKind(
    code="order-stuck", label=gettext_lazy("Order needs a person"), roles=OPERATOR
)
LOSS = NeedKind(code="order-loss", label=gettext_lazy("Order earns too little"))
ACCEPT_SOON = NeedKind(
    code="accept-soon", label=gettext_lazy("Time to accept an order runs out")
)
DUE_SOON = NeedKind(
    code="due-soon", label=gettext_lazy("Deadline of an order"), roles=OPERATOR
)
PURCHASE = NeedKind(code="purchase", label=gettext_lazy("Purchase needs a person"))
CART = NeedKind(
    code="cart", label=gettext_lazy("Somebody's goods in the cart"), roles=OPERATOR
)
FINDING = NeedKind(code="finding", label=gettext_lazy("Contradiction found"))
LEARNED = NeedKind(
    code="supplier-changed", label=gettext_lazy("Al-Style has changed"), roles=OWNER
)
KASPI_ACCESS = NeedKind(
    code="kaspi-access", label=gettext_lazy("Kaspi refuses access"), roles=OWNER
)
UNREAD = NeedKind(code="orders-unread", label=gettext_lazy("Orders are not read"))
SILENCE = NeedKind(code="no-orders", label=gettext_lazy("No orders come"))
ATTORNEY = NeedKind(
    code="attorney", label=gettext_lazy("Power of attorney ends"), roles=OWNER
)
SHARE = NeedKind(
    code="out-of-stock", label=gettext_lazy("Cancellations as out of stock")
)


def ask_orders() -> Questions:
    """Name what of the orders' small tables tells whether they need a person."""
    newest = Order.objects.order_by("-created_at").values("created_at")
    waiting = Step.objects.of_kind(Step.Kind.RESERVE)
    purchases = Purchase.objects.order_by("-pk").values(*PURCHASE_FIELDS)
    account = SupplierAccount.objects.order_by("pk")
    return {
        "marks": Rows(ReadMark.objects.order_by("state").values()),
        **ask_kaspi_clock(),
        "last_order": Rows(newest[:1]),
        "purchases": Rows(purchases[:PURCHASES_LOOKED_AT]),
        "to_reserve": Number(waiting.filter(status=Step.Status.PENDING)),
        "facts": Rows(LearnedFact.objects.changed().order_by("name").values()),
        "account": Rows(account.values()[:1]),
        "findings": Number(Finding.objects.open()),
    }


def count_short(*, now: datetime) -> tuple[int, int]:
    """Count the orders cancelled as out of stock, and all, of the days that count."""
    return Order.objects.count_out_of_stock(since=now - SHARE_COUNTED)


def order_url(pk: int) -> str:
    return reverse("admin:orders_order_change", args=[pk])


def tab_url(tab: str) -> str:
    return f"{reverse('admin:orders_order_changelist')}?tab={tab}"


def percent(part: int, whole: int) -> str:
    return formats.localize(
        Decimal(100 * part / max(whole, 1)).quantize(Decimal("0.1"))
    )


def needs_of_readings(answers: Answers, *, now: datetime) -> Iterator[Need]:
    marks = objects(ReadMark, answers["marks"])
    url = reverse("admin:orders_readmark_changelist")
    refused = [mark for mark in marks if mark.failure == Failure.ACCESS]
    if refused:
        text = _("Orders cannot be read: %(error)s")
        figures = {"error": shortened(redact(refused[0].error))}
        yield Need(
            tone=Tone.BAD,
            text=text % figures,
            url=url,
            kind=KASPI_ACCESS,
            is_urgent=True,
        )
    for mark in marks:
        if mark.is_late(now=now):
            text = _("Orders were last read %(since)s (%(state)s): %(error)s")
            figures = {
                "since": ago(mark.read_until, now=now),
                "state": said(mark.state),
                "error": shortened(redact(mark.error)) or _("no answer yet"),
            }
            is_new = mark.state == Order.NEW
            yield Need(
                tone=Tone.BAD if is_new else Tone.WARN,
                text=text % figures,
                url=url,
                kind=UNREAD,
                subject=mark.state,
                is_urgent=is_new,
            )


def needs_of_silence(answers: Answers, *, now: datetime) -> Iterator[Need]:
    """Doubt that there are no orders: without its uid a shop may be shown none."""
    marks = objects(ReadMark, answers["marks"])
    reading = [mark for mark in marks if mark.state == Order.NEW and mark.was_ever_read]
    if not reading:
        return
    begun = reading[0].first_read_at
    last = next((o.created_at for o in objects(Order, answers["last_order"])), None)
    if last is None:
        since, patience = begun, FIRST_ORDER_WITHIN
        text = _(
            "Kaspi has shown no order since the bridge began to read (%(since)s), "
            "though goods are on sale. %(advice)s"
        )
    else:
        since = max(last, begun)
        patience = timedelta(days=settings.ORDERS_SILENT_DAYS)
        text = _(
            "Kaspi has shown no new order since %(since)s, though goods are on sale. "
            "%(advice)s"
        )
    if now - since < patience:
        return
    if settings.KASPI_MERCHANT_UID:
        advice = _(
            "Compare with its cabinet: KASPI_MERCHANT_UID may be wrong, or the token "
            "another shop's."
        )
    else:
        advice = _(
            "Compare with its cabinet: Kaspi may demand X-Merchant-Uid and shows "
            "nothing without it; its number is set as KASPI_MERCHANT_UID."
        )
    yield Need(
        tone=Tone.WARN,
        text=text % {"since": absolute(since, now=now), "advice": advice},
        url=reverse("admin:orders_readmark_changelist"),
        kind=SILENCE,
    )


def needs_of_share(short: int, recent: int) -> Iterator[Need]:
    """Warn of the cancellations that cost the shop its place, before they do."""
    if not short or short / recent < SHARE_WARNED:
        return
    text = _(
        "%(count)s of %(all)s orders of the last 30 days (%(share)s %%) were cancelled "
        "as out of stock: above 5 %% Kaspi can switch the shop off for a week."
    )
    figures = {
        "count": grouped(short),
        "all": grouped(recent),
        "share": percent(short, recent),
    }
    yield Need(
        tone=Tone.BAD if short / recent > SHARE_PUNISHED else Tone.WARN,
        text=text % figures,
        url=tab_url("ended"),
        kind=SHARE,
    )


def needs_of_purchases(answers: Answers, *, now: datetime) -> Iterator[Need]:
    newest = objects(Purchase, answers["purchases"])
    # One that waits keeps the cart: none is newer but those given up at once.
    for purchase in (p for p in newest if p.paused_at is not None):
        text = _("Purchase %(purchase)s is watched over and waits for your word")
        url = reverse("admin:orders_purchase_change", args=[purchase.pk])
        yield Need(
            tone=Tone.BAD,
            text=text % {"purchase": purchase},
            url=url,
            kind=PURCHASE,
            subject=f"{purchase.pk} paused",
        )
    watched = next((p for p in newest if p.stage == Purchase.Stage.AFTER), None)
    if watched is not None and is_supervised():
        text = _(
            "Purchase %(purchase)s went through under your eyes: say "
            '"go on by yourself", or the next one stops after each call again'
        )
        url = reverse("admin:orders_purchase_change", args=[watched.pk])
        yield Need(
            tone=Tone.WARN,
            text=text % {"purchase": watched},
            url=url,
            kind=PURCHASE,
            subject=f"{watched.pk} watched",
        )
    yield from needs_of_cart(newest, answers["to_reserve"], now=now)
    for fact in objects(LearnedFact, answers["facts"]):
        text = _("Al-Style has changed: %(what)s, now %(value)s, before %(previous)s")
        figures = {
            "what": fact.get_name_display(),
            "value": fact_value(fact.value),
            "previous": fact_value(fact.previous),
        }
        url = reverse("admin:orders_learnedfact_changelist")
        yield Need(
            tone=Tone.WARN,
            text=text % figures,
            url=url,
            kind=LEARNED,
            subject=fact.name,
        )


def needs_of_cart(
    newest: Sequence[Purchase], number: int, *, now: datetime
) -> Iterator[Need]:
    """Tell since when somebody's goods keep us out of the cart.

    `number`: of the orders that wait to be reserved.
    """
    ended = (p for p in newest if p.status != Purchase.Status.OPENED)
    occupied = list(takewhile(lambda p: p.was_kept_out, ended))
    if not occupied or not number:
        return
    since = occupied[-1].created_at
    text = ngettext(
        "Somebody's goods are in Al-Style's cart since %(since)s (%(goods)s): "
        "%(n)s order waits",
        "Somebody's goods are in Al-Style's cart since %(since)s (%(goods)s): "
        "%(n)s orders wait",
        number,
    )
    goods = occupied[0].foreign_goods.items()
    figures = {
        "since": absolute(since, now=now),
        "goods": ", ".join(f"{article} × {pieces}" for article, pieces in goods),
        "n": grouped(number),
    }
    is_long = now - since > CART_OCCUPIED_LONG
    yield Need(
        tone=Tone.BAD if is_long else Tone.WARN,
        text=text % figures,
        url=reverse("admin:orders_purchase_change", args=[occupied[0].pk]),
        kind=CART,
    )


def needs_of_attorney(answers: Answers, *, now: datetime) -> Iterator[Need]:
    accounts = objects(SupplierAccount, answers["account"])
    if not accounts:
        return
    account = accounts[0]
    today = timezone.localtime(now).date()
    ends = attorney_ends_on(account, today=today)
    if ends is None:
        text = _(
            "Al-Style has no valid power of attorney for us: nothing can be bought"
        )
        yield Need(tone=Tone.BAD, text=text, kind=ATTORNEY)
    elif ends - today <= ATTORNEY_NEAR:
        text = _("The power of attorney at Al-Style ends on %(day)s: enter a new one")
        is_urgent = ends - today <= ATTORNEY_URGENT
        tone = Tone.BAD if is_urgent else Tone.WARN
        said = text % {"day": format_date(ends, "j E Y")}
        yield Need(tone=tone, text=said, kind=ATTORNEY)
