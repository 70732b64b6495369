"""What the overview says of the orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.dateformat import format as format_date
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.dashboard import DashboardSection, Figure, Need, draw_days, drawn_days
from backoffice.formatting import Tone, absolute, ago, grouped, pill, when
from orders.admin.situation import (
    fact_value,
    left_text,
    shortened,
    situation_pill,
    stuck_reason,
    time_left,
)
from orders.admin.tabs import BY_TIME_LEFT, TABS, count_tabs
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
from plumbing.redaction import redact

SHOWN = 8
# How far back a cart that is kept from us is looked for.
PURCHASES_LOOKED_AT = 50
CART_OCCUPIED_LONG = timedelta(minutes=30)
ATTORNEY_NEAR, ATTORNEY_URGENT = timedelta(days=30), timedelta(days=7)
# A shop just set up is told sooner than one that has seen orders.
FIRST_ORDER_WITHIN = timedelta(days=1)
# Of orders cancelled as out of stock: Kaspi's limit, and where we speak up.
SHARE_PUNISHED, SHARE_WARNED = 0.05, 0.03
SHARE_COUNTED = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class TabFigure(Figure):
    """How many orders wait for the same thing, and their tab."""

    is_urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PressingOrder:
    """An order whose deadline is near."""

    code: str
    url: str
    left: SafeString
    situation: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckStep:
    """A step that waits for a person; `code` is its order's."""

    code: str
    url: str
    reason: str
    since: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionRead:
    """When a section of Kaspi's was last read."""

    state: str
    pill: SafeString
    read: SafeString
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersOverview(DashboardSection):
    """Everything the overview shows of the orders."""

    tabs: list[TabFigure]
    pressing: list[PressingOrder]
    stuck: list[StuckStep]
    readings: list[SectionRead]


def read_orders(*, now: datetime, is_selling: bool = False) -> OrdersOverview:
    """Read what the overview shows of the orders, in eleven queries.

    `is_selling`: the price list has goods on sale, so orders should come.
    """
    counts = count_tabs()
    short, recent = Order.objects.count_out_of_stock(since=now - SHARE_COUNTED)
    marks = list(ReadMark.objects.order_by("state"))
    # As a condition object: the type checker knows no annotated names.
    waiting = Order.objects.open().with_due().filter(Q(("due__isnull", False)))
    pressing = list(waiting.defer("problem", "note").order_by(*BY_TIME_LEFT)[:SHOWN])
    stuck = Step.objects.stuck().select_related("order").order_by("pk")
    return OrdersOverview(
        tabs=[
            TabFigure(
                label=str(tab.label),
                value=grouped(counts[tab.code]),
                url=_tab_url(tab.code),
                is_urgent=tab.code == "person" and counts[tab.code] > 0,
            )
            for tab in TABS.values()
            if tab.is_counted
        ],
        pressing=[
            PressingOrder(
                code=order.code,
                url=_order_url(order.pk),
                left=time_left(order.due_at, now=now),
                situation=situation_pill(order),
            )
            for order in pressing
        ],
        stuck=[
            StuckStep(
                code=step.order.code,
                url=_order_url(step.order_id),
                reason=shortened(stuck_reason(step)),
                since=when(step.finished_at or step.not_before, now=now),
            )
            for step in stuck.defer("sent", "answered", "parameters")[:SHOWN]
        ],
        readings=[_section_read(mark, now=now) for mark in marks],
        needs=[
            *_needs_of_readings(marks, now=now),
            *(_needs_of_silence(marks, now=now) if is_selling else ()),
            *_needs_of_orders(counts, pressing, now=now),
            *_needs_of_findings(),
            *_needs_of_purchases(now=now),
            *_needs_of_attorney(now=now),
            *_needs_of_share(short, recent),
        ],
        figures=[
            Figure(
                label=_("cancelled as out of stock, 30 days"),
                value=f"{_percent(short, recent)} %",
                url=_tab_url("ended"),
            )
        ],
        charts=_charts(now=now),
    )


def _tab_url(tab: str) -> str:
    return f"{reverse('admin:orders_order_changelist')}?tab={tab}"


def _order_url(pk: int) -> str:
    return reverse("admin:orders_order_change", args=[pk])


def _section_read(mark: ReadMark, *, now: datetime) -> SectionRead:
    if mark.is_late(now=now):
        shown = pill(_("late"), Tone.BAD)
    elif mark.error:
        shown = pill(_("failed"), Tone.WARN)
    else:
        shown = pill(_("read"), Tone.GOOD)
    return SectionRead(
        state=mark.state,
        pill=shown,
        read=when(mark.read_until, now=now),
        error=redact(mark.error),
    )


def _needs_of_readings(marks: Sequence[ReadMark], *, now: datetime) -> Iterator[Need]:
    for mark in marks:
        if mark.is_late(now=now):
            text = _("Orders were last read %(since)s (%(state)s): %(error)s")
            figures = {
                "since": ago(mark.read_until, now=now),
                "state": mark.state,
                "error": shortened(redact(mark.error)) or _("no answer yet"),
            }
            yield Need(
                tone=Tone.BAD if mark.state == Order.NEW else Tone.WARN,
                text=text % figures,
                url=reverse("admin:orders_readmark_changelist"),
            )


def _needs_of_silence(marks: Sequence[ReadMark], *, now: datetime) -> Iterator[Need]:
    """Doubt that there are no orders: without its uid a shop may be shown none."""
    reading = [mark for mark in marks if mark.state == Order.NEW and mark.was_ever_read]
    if not reading:
        return
    begun = reading[0].first_read_at
    created = Order.objects.order_by("-created_at").values_list("created_at", flat=True)
    last = created.first()
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
    )


def _needs_of_orders(
    counts: dict[str, int], pressing: Sequence[Order], *, now: datetime
) -> Iterator[Need]:
    if number := counts["person"]:
        text = ngettext("%(n)s order needs you", "%(n)s orders need you", number)
        text %= {"n": grouped(number)}
        yield Need(tone=Tone.BAD, text=text, url=_tab_url("person"))
    near = timedelta(minutes=settings.DEADLINE_NEAR_MIN)
    for order in pressing:
        due = order.due_at
        if due is not None and due < now:
            text = _("Order %(code)s is overdue") % {"code": order.code}
            yield Need(tone=Tone.BAD, text=text, url=_order_url(order.pk))
        elif due is not None and due < now + near:
            text = _("Order %(code)s is due in %(left)s")
            figures = {"code": order.code, "left": left_text(due - now)}
            yield Need(tone=Tone.WARN, text=text % figures, url=_order_url(order.pk))


def _needs_of_findings() -> Iterator[Need]:
    number = Finding.objects.open().count()
    if number:
        text = ngettext(
            "%(n)s contradiction was found: look what is wrong",
            "%(n)s contradictions were found: look what is wrong",
            number,
        )
        text %= {"n": grouped(number)}
        url = reverse("admin:orders_finding_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)


def _needs_of_share(short: int, recent: int) -> Iterator[Need]:
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
        "share": _percent(short, recent),
    }
    yield Need(
        tone=Tone.BAD if short / recent > SHARE_PUNISHED else Tone.WARN,
        text=text % figures,
        url=_tab_url("ended"),
    )


def _percent(part: int, whole: int) -> str:
    return formats.localize(
        Decimal(100 * part / max(whole, 1)).quantize(Decimal("0.1"))
    )


def _needs_of_purchases(*, now: datetime) -> Iterator[Need]:
    newest = list(Purchase.objects.all()[:PURCHASES_LOOKED_AT])
    # One that waits keeps the cart: none is newer but those given up at once.
    for purchase in (p for p in newest if p.paused_at is not None):
        text = _("Purchase %(purchase)s is watched over and waits for your word")
        url = reverse("admin:orders_purchase_change", args=[purchase.pk])
        yield Need(tone=Tone.BAD, text=text % {"purchase": purchase}, url=url)
    watched = next((p for p in newest if p.stage == Purchase.Stage.AFTER), None)
    if watched is not None and is_supervised():
        text = _(
            "Purchase %(purchase)s went through under your eyes: say "
            '"go on by yourself", or the next one stops after each call again'
        )
        url = reverse("admin:orders_purchase_change", args=[watched.pk])
        yield Need(tone=Tone.WARN, text=text % {"purchase": watched}, url=url)
    yield from _needs_of_cart(newest, now=now)
    for fact in LearnedFact.objects.changed():
        text = _("Al-Style has changed: %(what)s, now %(value)s, before %(previous)s")
        figures = {
            "what": fact.get_name_display(),
            "value": fact_value(fact.value),
            "previous": fact_value(fact.previous),
        }
        url = reverse("admin:orders_learnedfact_changelist")
        yield Need(tone=Tone.WARN, text=text % figures, url=url)


def _needs_of_cart(newest: Sequence[Purchase], *, now: datetime) -> Iterator[Need]:
    """Tell since when somebody's goods keep us out of the cart."""
    ended = (p for p in newest if p.status != Purchase.Status.OPENED)
    occupied = list(takewhile(lambda p: p.was_kept_out, ended))
    if not occupied:
        return
    waiting = Step.objects.of_kind(Step.Kind.RESERVE)
    number = waiting.filter(status=Step.Status.PENDING).count()
    if not number:
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
    )


def _needs_of_attorney(*, now: datetime) -> Iterator[Need]:
    account = SupplierAccount.objects.first()
    if account is None:
        return
    today = timezone.localtime(now).date()
    ends = attorney_ends_on(account, today=today)
    if ends is None:
        text = _(
            "Al-Style has no valid power of attorney for us: nothing can be bought"
        )
        yield Need(tone=Tone.BAD, text=text)
    elif ends - today <= ATTORNEY_NEAR:
        text = _("The power of attorney at Al-Style ends on %(day)s: enter a new one")
        is_urgent = ends - today <= ATTORNEY_URGENT
        tone = Tone.BAD if is_urgent else Tone.WARN
        yield Need(tone=tone, text=text % {"day": format_date(ends, "j E Y")})


def _charts(*, now: datetime) -> list[SafeString]:
    """Draw orders and revenue by the day they were made; called off ones bring none.

    By ranges: SQLite casts a moment to a day of Almaty row by row, in Python.
    """
    days = drawn_days(now=now)
    wanted: dict[str, Count | Sum] = {}
    for place, day in enumerate(days):
        its = Q(created_at__gte=day, created_at__lt=day + timedelta(days=1))
        wanted[f"orders{place}"] = Count("pk", filter=its)
        bringing = its & ~Q(status__in=Order.CALLED_OFF)
        wanted[f"revenue{place}"] = Sum("total_kzt", filter=bringing)
    lately = Order.objects.filter(created_at__gte=days[0]).order_by()
    totals = lately.aggregate(**wanted)
    return [
        draw_days(
            [totals[f"{what}{place}"] or 0 for place in range(len(days))],
            days=days,
            title=title,
        )
        for what, title in (
            ("orders", _("Orders by day")),
            ("revenue", _("Revenue by day, ₸")),
        )
    ]
