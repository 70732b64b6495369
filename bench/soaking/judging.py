"""Judges a soak: the sandbox's books against the bridge's database and words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sandbox import AlStyleServer, KaspiServer
from sandbox.alstyle.trade import WRITES as SUPPLIER_WRITES
from sandbox.audit import Audit, Excess, StockWatch, audit
from sandbox.kaspi.writes import WRITES as KASPI_WRITES

# Buyers' own data, their labels, and the shop's own account at Al-Style.
UNSEARCHED = ("Buyer", "Waybill", "SupplierAccount", "Session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table; `is_promise`: must be 0 for the soak to pass."""

    words: str
    number: int | str
    is_promise: bool = False
    examples: tuple[str, ...] = ()

    @property
    def is_broken(self) -> bool:
        return self.is_promise and self.number != 0


@dataclass(slots=True)
class Report:
    """The table of figures and promises that is printed at the end."""

    lines: list[Line] = field(default_factory=list)

    def say(self, words: str, number: int | str) -> None:
        self.lines.append(Line(words=words, number=number))

    def promise(self, words: str, broken: list[str] | int) -> None:
        """Add a promise with what broke it."""
        found = [] if isinstance(broken, int) else broken
        number = broken if isinstance(broken, int) else len(broken)
        self.lines.append(
            Line(words=words, number=number, is_promise=True, examples=tuple(found[:5]))
        )

    @property
    def is_kept(self) -> bool:
        return not any(line.is_broken for line in self.lines)

    def as_json(self) -> str:
        return json.dumps([asdict(line) for line in self.lines], ensure_ascii=False)

    def shown(self) -> str:
        width = max(len(line.words) for line in self.lines)
        rows = []
        for line in self.lines:
            mark = ("BROKEN" if line.is_broken else "ok") if line.is_promise else ""
            row = f"{line.words:<{width}}  {line.number:>9}  {mark}"
            rows.append(f"{row}  {', '.join(line.examples)}".rstrip())
        return "\n".join(rows)


def judge_books(report: Report, supplier: AlStyleServer, kaspi: KaspiServer) -> None:
    """Judge by both peers' books, with the bridge's reasons for what is open."""
    found = audit(
        supplier.book(),
        kaspi.book(),
        foreign_touched=len(supplier.cart.foreign_touched),
        multiple_of=lambda a: (
            (supplier.goods[a].multiplicity or 1) if a in supplier.goods else 1
        ),
    )
    _judge_service(report, found)
    report.promise("supplier orders nobody owns", _unowned(supplier))
    report.promise("reservations held by a dead supplier order", _hollow(supplier))
    report.promise("supplier orders with other goods", found.wrong_lines)
    report.promise("foreign cart rows touched", found.foreign_touched)


def judge_goods(
    report: Report, supplier: AlStyleServer, kaspi: KaspiServer, watch: StockWatch
) -> None:
    """Judge assembling, deadlines and what was on sale."""
    found = audit(supplier.book(), kaspi.book())
    _judge_assembling(report, kaspi, found)
    report.promise("cancelled as out of stock by a deadline", found.cancelled_short)
    report.say("price lists fetched and checked", watch.lists)
    report.promise(
        "offers beyond stock - reservations",
        [_said(excess) for excess in watch.excesses],
    )
    report.promise("crashes of the sandbox", [*supplier.crashes, *kaspi.crashes])


def _said(excess: Excess) -> str:
    held = ", ".join(f"{number} of {age:.0f} s" for number, age in excess.held.items())
    return f"{excess.sku}: {excess.offered} > {excess.free} (held by {held or 'none'})"


def _judge_service(report: Report, found: Audit) -> None:
    from orders.models import Step

    reserve, release = Step.Kind.RESERVE, Step.Kind.RELEASE
    unserved = {code: _why(code, reserve) for code in found.unserved}
    unreleased = {code: _why(code, release) for code in found.unreleased}
    report.say("orders with exactly one live supplier order", found.served_once)
    report.say("orders with none, and a reason for a person", _given(unserved))
    report.promise("orders with none and no reason", _missing(unserved))
    report.promise("orders with more than one", found.served_twice)
    report.promise("accepted without a supplier order", found.accepted_unserved)
    report.say("cancelled, not released, left to a person", _given(unreleased))
    report.promise("cancelled, not released, no reason", _missing(unreleased))


def _why(code: str, kind: str) -> str:
    """Read what the bridge says to a person about an order's step."""
    from orders.models import Order, Step

    order = Order.objects.filter(code=code).first()
    if order is None:
        return ""
    stuck = order.steps.filter(kind=kind, status__in=Step.STUCK).last()
    return stuck.last_error if stuck is not None else ""


def _given(reasons: dict[str, str]) -> int:
    return sum(1 for reason in reasons.values() if reason)


def _missing(reasons: dict[str, str]) -> list[str]:
    return [code for code, reason in reasons.items() if not reason]


def _unowned(supplier: AlStyleServer) -> list[str]:
    from orders.models import Reservation

    status = Reservation.Status
    owned = set(
        Reservation.objects.filter(
            status__in=(status.HELD, status.RELEASING, status.SHIPPED)
        ).values_list("supplier_order__supplier_order_id", flat=True)
    )
    return [
        str(order.id)
        for order in supplier.all_orders()
        if order.is_live
        and order.by == "api"
        and owned.isdisjoint({str(order.id), order.long_id})
    ]


def _hollow(supplier: AlStyleServer) -> list[str]:
    from orders.models import Reservation

    held = Reservation.objects.filter(status=Reservation.Status.HELD)
    hollow = []
    for number in held.values_list("supplier_order__supplier_order_id", flat=True):
        order = supplier.orders.find(number)
        while order is not None and order.merge_with is not None:
            order = supplier.orders.find(order.merge_with)
        if order is None or not order.is_live:
            hollow.append(str(number))
    return hollow


def _judge_assembling(report: Report, kaspi: KaspiServer, found: Audit) -> None:
    """A call that the peer answered with "slow down" surely did nothing."""
    sent: Counter[str] = Counter()
    for arrival in kaspi.calls("assemble"):
        if arrival.status != 429:
            sent[json.loads(arrival.body)["data"]["attributes"]["code"]] += 1
    report.say("orders assembled", sum(1 for o in kaspi.book() if o["assembled"]))
    report.promise("assembles carried out twice", found.assembled_twice)
    report.promise("assembles sent twice", [c for c, n in sent.items() if n > 1])


def judge_silence(report: Report, supplier: AlStyleServer, kaspi: KaspiServer) -> None:
    """With OBSERVE_ONLY not one write may have come, by the peers' own logs."""
    arrived = [
        f"{arrival.method} at {arrival.at:.0f}"
        for peer, writes in ((supplier, SUPPLIER_WRITES), (kaspi, KASPI_WRITES))
        for arrival in peer.arrivals
        if arrival.method in writes or arrival.verb != "GET"
    ]
    report.promise("writes that reached a peer", arrived)


def judge_bridge(report: Report, kaspi: KaspiServer) -> None:
    """Tell what the bridge made of the orders."""
    from orders.models import Order, Step, SupplierOrder

    book = {order["code"]: order for order in kaspi.book()}
    known = dict(Order.objects.values_list("code", "status"))
    unseen = book.keys() - known
    gone = {code for code in unseen if book[code]["status"] == "CANCELLED"}
    report.say("orders called off before a reading saw them", len(gone))
    report.promise("orders the bridge has not seen", sorted(unseen - gone))
    late = [c for c, o in book.items() if c in known and known[c] != o["status"]]
    report.promise("orders of an outdated status", late)
    stuck = Counter(
        f"{kind}: {status}"
        for kind, status in Step.objects.filter(status__in=Step.STUCK).values_list(
            "kind", "status"
        )
    )
    for words, number in sorted(stuck.items()):
        report.say(f"  left to a person, {words}", number)
    looked = Step.objects.filter(looks__gt=0)
    report.say("steps whose outcome was unknown once", looked.count())
    adopted = looked.filter(answered__adopted=True)
    report.say("  supplier orders found and adopted", adopted.count())
    merged = SupplierOrder.objects.filter(merged_into__isnull=False)
    report.say("  supplier orders merged", merged.count())


def judge_words(report: Report, kaspi: KaspiServer, directory: Path) -> None:
    """Look for tokens and buyers' phones in all that is written or shown."""
    from django.conf import settings

    tokens = (settings.ALSTYLE_TOKEN, settings.KASPI_TOKEN)
    phones = {order["buyer"]["phone"] for order in kaspi.book()}
    leaks: list[str] = []
    places: Counter[str] = Counter()
    for place, text in _all_words(directory):
        places[place.split(" ")[0]] += 1
        leaks += [f"token in {place}" for token in tokens if token in text]
        leaks += [f"phone in {place}" for phone in phones if phone in text]
    for place, number in sorted(places.items()):
        report.say(f"searched: {place}", number)
    report.promise("tokens or phones in them", sorted(set(leaks)))


def _all_words(directory: Path) -> Iterator[tuple[str, str]]:
    for name in ("workers.log", "web.log", "tracebacks.txt", "commands.log"):
        path = directory / name
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from ((f"logs {name}", line) for line in text.splitlines())
    yield from _rows()
    yield from _pages()


def _rows() -> Iterator[tuple[str, str]]:
    """Give every row of every table but those that are there for such data."""
    from django.apps import apps

    for model in apps.get_models():
        if model.__name__ in UNSEARCHED:
            continue
        for row in model._default_manager.values().iterator(chunk_size=500):
            yield f"rows {model.__name__}", str(row)


def _pages() -> Iterator[tuple[str, str]]:
    """Render the admin's pages as staff who may not see buyers' data."""
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.test import Client
    from django.urls import reverse

    client = Client()
    client.force_login(User.objects.get(username="viewer"))
    urls = [reverse("admin:index")]
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        if model._meta.app_label in ("auth", "django_q"):
            continue
        urls.append(reverse(f"admin:{name}_changelist"))
        if model.__name__ == "Order":
            pks: Any = model._default_manager.values_list("pk", flat=True)
            urls += [reverse(f"admin:{name}_change", args=[pk]) for pk in pks]
    for url in urls:
        answer = client.get(url, follow=True)
        if answer.status_code != 200:
            raise RuntimeError(f"{url} answers {answer.status_code}")
        yield f"pages {url}", answer.content.decode()
