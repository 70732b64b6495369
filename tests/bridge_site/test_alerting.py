"""Every alert there is: raised, repeated, acknowledged, over; by the real watch."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.utils import timezone, translation
from django_q.models import Task

from alerts import telling
from alerts.channels import sync_environment
from alerts.models import Alert, Channel
from bridge_site.alerting import is_alive, look, make_watch, read_digest
from bridge_site.staff.guarding import unlock
from bridge_site.workers import PARTS, read_workers
from catalog.models import ImportRun, Product, ProductChange
from feeds.models import FeedBuild, FeedFetch, Listing, Store
from orders.models import (
    Booking,
    Buyer,
    Finding,
    LearnedFact,
    Order,
    Purchase,
    ReadMark,
    Reason,
    Reservation,
    Step,
    SupplierAccount,
)
from plumbing.leases import under_lease
from plumbing.models import Heartbeat, TimeJump
from tests.alerts.receiver import Receiver
from tests.orders.factories import doubt, make_order, make_product
from tests.staff import log_in, make_category, make_import, page

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Undo = Callable[[], object]


@pytest.fixture(autouse=True)
def in_english(settings) -> Iterator[None]:
    settings.LANGUAGE_CODE = "en"
    settings.ALERT_QUIET_HOURS = None
    settings.DIGEST_AT = None
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def healthy() -> None:
    """A bridge in which nothing needs anybody."""
    now = timezone.now()
    for name in PARTS:
        Heartbeat.objects.create(name=name, host="srv", beaten_at=now)
    Store.objects.create(store_id="PP1")
    make_category()
    make_import()
    make_import(kind=ImportRun.Kind.CATALOGUE, age=5 * HOUR)
    at = now - 2 * MINUTE
    FeedBuild.objects.create(
        status=FeedBuild.Status.ACTIVE, started_at=at, published_at=at
    )
    FeedFetch.objects.create(fetched_at=now, is_kaspi=True, status_code=304)
    product = make_product("70311")
    Listing.objects.create(
        sku="70311", product=product, price_kzt=2000, first_listed_at=now
    )
    for state in Order.STATES:
        ReadMark.objects.create(state=state, read_until=now, first_read_at=now)


def order(**values: Any) -> Order:
    return make_order((Product.objects.get(article="70311"), 1), **values)


def stick(**values: Any) -> Undo:
    stuck = order()
    Buyer.objects.create(
        order=stuck,
        name="Асель Касымова",
        phone="+7 701 234-56-78",
        address="ул. Абая 1",
    )
    reason = "Kaspi: no, says Касымова Асель at ул. Абая 1, call 8 (701) 2345678"
    steps = Step.objects.filter(order=stuck)
    steps.update(**{"status": Step.Status.NEEDS_PERSON, "last_error": reason, **values})
    return lambda: steps.update(status=Step.Status.SKIPPED)


def loss() -> Undo:
    return stick(reason=Reason.LOSES_MONEY, last_error="Касымова: loses 500 ₸")


def accept_soon() -> Undo:
    late = order(accept_by=timezone.now() + 50 * MINUTE)
    steps = Step.objects.filter(order=late)
    steps.update(status=Step.Status.DONE)
    mine = Order.objects.filter(pk=late.pk)
    return lambda: mine.update(accept_by=timezone.now() + 3 * HOUR)


def due_soon() -> Undo:
    late = order(
        state=Order.PICKUP,
        status=Order.ACCEPTED,
        collect_by=timezone.now() + 20 * MINUTE,
    )
    mine = Order.objects.filter(pk=late.pk)
    return lambda: mine.update(handed_over_at=timezone.now())


def doubtful_purchase() -> Undo:
    purchase = doubt(order())
    mine = Purchase.objects.filter(pk=purchase.pk)
    return lambda: mine.update(status=Purchase.Status.GIVEN_UP)


def watched_purchase() -> Undo:
    purchase = doubt(order(), status=Purchase.Status.OPENED, stage="looked", submits=[])
    mine = Purchase.objects.filter(pk=purchase.pk)
    mine.update(paused_at=timezone.now())
    return lambda: mine.update(paused_at=None, status=Purchase.Status.GIVEN_UP)


def cart() -> Undo:
    waits = order()
    doubt(
        waits,
        status=Purchase.Status.GIVEN_UP,
        submits=[],
        cart_before={"999": 5},
        created_at=timezone.now() - 5 * MINUTE,
    )
    # A later purchase met nobody's goods.
    return lambda: doubt(waits, status=Purchase.Status.GIVEN_UP, submits=[])


def finding() -> Undo:
    now, about = timezone.now(), order()
    found = Finding.objects.create(
        kind=Finding.Kind.NOT_RELEASED,
        subject=about.code,
        text="Касымова",
        order=about,
        raised_at=now,
        seen_at=now,
    )
    mine = Finding.objects.filter(pk=found.pk)
    return lambda: mine.update(status=Finding.Status.SETTLED)


def learned() -> Undo:
    fact = LearnedFact.objects.create(
        name="submit_empties",
        value="no",
        previous="yes",
        evidence="№1",
        learned_at=timezone.now(),
    )
    return fact.delete


def refuse_token_of_kaspi() -> Undo:
    marks = ReadMark.objects.filter(state=Order.PICKUP)
    marks.update(failure="access", error="Kaspi refuses the token (HTTP 401)")
    return lambda: marks.update(failure="", error="")


def unread() -> Undo:
    marks = ReadMark.objects.filter(state=Order.NEW)
    marks.update(
        read_until=timezone.now() - 20 * MINUTE, failure="down", error="HTTP 503"
    )
    return lambda: marks.update(read_until=timezone.now(), failure="", error="")


def silence() -> Undo:
    ReadMark.objects.update(first_read_at=timezone.now() - 30 * DAY)
    old = order(created_at=timezone.now() - 9 * DAY)
    Order.objects.update(created_at=timezone.now() - 9 * DAY)
    Step.objects.filter(order=old).update(status=Step.Status.DONE)
    return order


def attorney() -> Undo:
    ends = timezone.localtime().date() + timedelta(days=9)
    account = SupplierAccount.objects.create(
        name="alstyle",
        attorneys=[{"ДатаОкончания": f"{ends:%d.%m.%Y}", "Основной": 1}],
        read_at=timezone.now(),
    )
    return account.delete


def share() -> Undo:
    short = order(
        status=Order.CANCELLED,
        state=Order.ARCHIVE,
        ended_at=timezone.now(),
        cancellation_reason="MERCHANT_OUT_OF_STOCK",
    )
    Step.objects.filter(order=short).update(status=Step.Status.SKIPPED)
    mine = Order.objects.filter(pk=short.pk)
    return lambda: mine.update(created_at=timezone.now() - 40 * DAY)


def stale() -> Undo:
    runs = ImportRun.objects.filter(kind=ImportRun.Kind.STOCK)
    runs.update(started_at=timezone.now() - 3 * HOUR)
    return lambda: runs.update(started_at=timezone.now())


def fail_import(failure: str, *, good_before: timedelta = MINUTE) -> Undo:
    done = ImportRun.objects.filter(kind=ImportRun.Kind.STOCK)
    done.update(started_at=timezone.now() - good_before - MINUTE)
    make_import(
        age=timedelta(0),
        status=ImportRun.Status.FAILED,
        failure=failure,
        message="no answer within 60 s",
    )
    return lambda: make_import(age=timedelta(0))


def refuse_token_of_supplier() -> Undo:
    return fail_import("access")


def supplier_down() -> Undo:
    return fail_import("down", good_before=40 * MINUTE)


def incomplete() -> Undo:
    return fail_import("incomplete")


def import_fails() -> Undo:
    return fail_import("other", good_before=40 * MINUTE)


def build(status: str, **values: Any) -> Undo:
    built = FeedBuild.objects.create(
        status=status, started_at=timezone.now(), reason="too many", **values
    )
    return built.delete


def list_refused() -> Undo:
    return build(FeedBuild.Status.REFUSED)


def list_merged() -> Undo:
    return build(FeedBuild.Status.UNCHANGED, counts={"withheld": 4000})


def list_old() -> Undo:
    FeedBuild.objects.update(started_at=timezone.now() - HOUR)
    return lambda: FeedBuild.objects.update(started_at=timezone.now())


def list_unfetched() -> Undo:
    FeedFetch.objects.update(fetched_at=timezone.now() - 91 * MINUTE)
    return lambda: FeedFetch.objects.update(fetched_at=timezone.now())


def worker() -> Undo:
    beats = Heartbeat.objects.filter(name="orders")
    beats.update(beaten_at=timezone.now() - 12 * MINUTE)
    return lambda: beats.update(beaten_at=timezone.now())


def clock() -> Undo:
    jump = TimeJump.objects.create(
        noticed_at=timezone.now(), seconds=-86_400, host="srv"
    )
    return jump.delete


def task() -> Undo:
    now = timezone.now()
    failed = Task.objects.create(
        id="a" * 32,
        name="x",
        func="catalog.tasks.sync_stock",
        started=now,
        stopped=now,
        success=False,
        result="boom",
    )
    return lambda: failed.delete()


def channel_fails() -> Undo:
    # Told by the other channel: one message cannot tell of its own absence.
    broken = Channel.objects.create(
        name="Phone",
        is_active=True,
        urgent_only=True,
        audience=Channel.Audience.OPERATOR,
        failing_since=timezone.now(),
        last_error="HTTP 500",
    )
    return broken.delete


def locked_out() -> Undo:
    """Somebody guesses at an account, from two places; and at one that is none."""
    olga = User.objects.create_user("olga")
    for address, name in (
        ("203.0.113.66", "olga"),
        ("203.0.113.67", "olga"),
        ("203.0.113.66", "nobody"),
    ):
        AccessAttempt.objects.create(
            username=name,
            ip_address=address,
            failures_since_start=5,
            attempt_time=timezone.now(),
        )
    return lambda: unlock(olga)


# What happens, the kind of its alert, words of it, whether it wakes people.
CASES = [
    (stick, "order-stuck", ". Reserve: Kaspi: no, says", False),
    (loss, "order-loss", ". The order loses money at today's prices", False),
    (accept_soon, "accept-soon", "must be accepted by", True),
    (due_soon, "due-soon", "is due by", False),
    (doubtful_purchase, "purchase", "what came of it is in doubt", False),
    (watched_purchase, "purchase", "waits for your word", False),
    (cart, "cart", "999 × 5", False),
    (finding, "finding", "called off, goods still held", False),
    (learned, "supplier-changed", "now no, before yes", False),
    (refuse_token_of_kaspi, "kaspi-access", "refuses the token", True),
    (unread, "orders-unread", "HTTP 503", True),
    (silence, "no-orders", "though goods are on sale", False),
    (attorney, "attorney", "ends on", False),
    (share, "out-of-stock", "can switch the shop off", False),
    (stale, "stock-old", "the goods come off sale", True),
    (refuse_token_of_supplier, "supplier-access", "The last import failed", True),
    (supplier_down, "supplier-down", "no answer within 60 s", False),
    (incomplete, "import-incomplete", "The last import failed", False),
    (import_fails, "import-failed", "The last import failed", False),
    (list_refused, "list-refused", "was refused: too many", False),
    (list_merged, "list-merged", "Too much would go off sale at once", False),
    (list_old, "list-old", "was last built 1 hour ago", False),
    (list_unfetched, "list-unfetched", "Kaspi last fetched", True),
    (worker, "worker", "Workers “Orders” are silent", True),
    (clock, "clock", "set back by", False),
    (task, "tasks", "Tasks of the queue fail: look", False),
    (locked_out, "locked-out", "row from 203.0.113.66, 203.0.113.67; from", False),
    (channel_fails, "channel", "“Phone” do not arrive", False),
]


def seen() -> list[tuple[str, str, bool]]:
    return [
        (need.kind.code, need.text, need.is_urgent)
        for looked in look(timezone.now())
        for need in looked.needs or ()
        if need.kind is not None
    ]


@pytest.mark.parametrize(
    ("happen", "kind", "words", "is_urgent"), CASES, ids=[c[0].__name__ for c in CASES]
)
def test_what_goes_wrong_is_the_one_alert(happen, kind, words, is_urgent):
    assert seen() == []
    undo = happen()
    ((found, text, wakes),) = seen()
    assert (found, wakes) == (kind, is_urgent)
    assert words in text
    undo()
    assert seen() == []


def test_the_watch_does_not_tell_of_its_own_silence():
    Heartbeat.objects.filter(name="watch").delete()
    assert seen() == []
    Heartbeat.objects.filter(name="imports").delete()
    ((kind, text, wakes),) = seen()
    assert (kind, wakes) == ("worker", False)
    assert "“Imports and price list” have not begun yet" in text


def test_a_full_disk_is_told_and_wakes_people_when_it_is_near(settings):
    settings.DISK_LOW_MB = 10**9
    ((kind, text, wakes),) = seen()
    assert (kind, wakes) == ("disk", True)
    assert "almost full" in text


def test_a_passing_fault_of_the_supplier_is_none_of_anybodys_business():
    for failure in ("down", "other"):
        fail_import(failure, good_before=9 * MINUTE)
        assert seen() == []


def test_a_part_that_cannot_be_looked_at_is_told_and_closes_nothing(
    monkeypatch, caplog
):
    list_refused()
    run()
    assert Alert.objects.open().count() == 1

    def fail(**_kwargs: Any) -> list[Any]:
        raise RuntimeError("no table")

    monkeypatch.setattr("feeds.needs.read_state", fail)
    with caplog.at_level(logging.CRITICAL):
        run()
    assert sorted(Alert.objects.open().values_list("kind", flat=True)) == [
        "list-refused",
        "unseen",
    ]


def run() -> None:
    with under_lease("watch") as lease:
        make_watch().round(lease, now=timezone.now())


def move_back(length: timedelta) -> None:
    for alert in Alert.objects.open():
        Alert.objects.filter(pk=alert.pk).update(told_at=alert.told_at - length)


@pytest.mark.django_db(transaction=True)
def test_every_alert_is_raised_repeated_acknowledged_and_over(
    settings, monkeypatch, caplog
):
    """All of them at once, through a channel that takes them and one that does not."""
    monkeypatch.setattr(telling, "LINES_SHOWN", 100)
    settings.KASPI_TOKEN = "kaspi-secret-token"
    with Receiver() as receiver:
        settings.ALERT_URLS = [receiver.address]
        run()
        assert receiver.asked == []
        # Each replaces another by the same key, or hides it.
        apart = (silence, supplier_down, import_fails, incomplete, list_merged, stale)
        cases = [case for case in CASES if case[0] not in (*apart, list_old)]
        undos = [happen() for happen, *_rest in cases]
        run()
        (text,) = receiver.take_texts()
        for _happen, _kind, words, _urgent in cases:
            assert words in text
        kinds = sorted(Alert.objects.open().values_list("kind", flat=True))
        assert kinds == sorted(kind for _happen, kind, _words, _urgent in cases)
        run()
        assert receiver.take_texts() == []
        move_back(31 * MINUTE)
        run()
        (text,) = receiver.take_texts()
        assert "Still so, and not acknowledged" in text
        for _happen, _kind, words, _urgent in cases:
            assert words in text
        client = log_in(settings, "operator")
        chosen = [str(pk) for pk in Alert.objects.open().values_list("pk", flat=True)]
        client.post(
            "/admin/alerts/alert/",
            {"action": "acknowledge_chosen", "_selected_action": chosen},
        )
        assert not Alert.objects.unacknowledged().exists()
        move_back(3 * DAY)
        run()
        assert receiver.take_texts() == []
        for undo in reversed(undos):
            undo()
        run()
        (text,) = receiver.take_texts()
        assert text.startswith(f"over: {len(cases)}\nOver:\n")
        assert not Alert.objects.open().exists()
        everything = (
            text + caplog.text + " ".join(Alert.objects.values_list("text", flat=True))
        )
    for secret in (
        *("Касымова", "Асель", "Абая", "2345678", "234-56-78"),
        *("kaspi-secret-token", settings.ALSTYLE_TOKEN, "a-secret-path"),
    ):
        assert secret not in everything


def test_looking_takes_a_fixed_number_of_queries(django_assert_max_num_queries):
    for _ in range(5):
        stick()
        accept_soon()
        finding()
    with django_assert_max_num_queries(32):
        list(look(timezone.now()))


def test_all_is_alive_only_when_every_part_is():
    now = timezone.now()
    assert is_alive(now)
    Heartbeat.objects.filter(name="dispatch-kaspi").update(beaten_at=now - HOUR)
    assert not is_alive(now)
    Heartbeat.objects.filter(name="dispatch-kaspi").delete()
    assert not is_alive(now)


def test_the_digest_tells_yesterday_and_what_waits(settings):
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - 9 * HOUR
    first = order(total_kzt=12_000, created_at=yesterday)
    over = {"status": Order.CANCELLED, "state": Order.ARCHIVE, "ended_at": today}
    second = order(total_kzt=90_000, created_at=yesterday, **over)
    short = {"cancellation_reason": "MERCHANT_OUT_OF_STOCK"}
    third = order(total_kzt=70_000, created_at=yesterday, **over, **short)
    order(total_kzt=500_000, created_at=today + MINUTE)
    order(total_kzt=500_000, created_at=today - 2 * DAY)
    Step.objects.filter(order__in=[second, third]).update(status=Step.Status.SKIPPED)
    Reservation.objects.filter(order__in=[second, third]).delete()
    Step.objects.filter(order=first).update(status=Step.Status.NEEDS_PERSON)
    gone = make_product("70312", stock=0)
    back = make_product("70313", stock=4)
    for product in (gone, back):
        ProductChange.objects.create(
            product=product, field="stock", old=3, new=0, changed_at=yesterday
        )
    make_product("70314", quarantine=Product.Quarantine.JUMP)
    day = timezone.localdate(yesterday)
    sale = {"kind": Booking.Kind.SALE, "day": day, "revenue_kzt": 9_000}
    known = {"cost_kzt": 7_000, "commission_kzt": 900, "tax_kzt": 270}
    Booking.objects.create(order=first, **sale, **known, profit_kzt=830)
    Booking.objects.create(order=second, **{**sale, "revenue_kzt": 1_000})
    later = {"kind": Booking.Kind.SALE, "day": day + DAY}
    Booking.objects.create(order=third, **later, revenue_kzt=500_000)
    lines = {line.label: line.value for line in read_digest(timezone.now())}
    assert lines["Completed, revenue"] == "10\u202f000 ₸"
    assert lines["Profit"] == "830 ₸, without orders whose cost is not known: 1"
    assert lines["Orders"] == "3"
    assert lines["Turnover"] == "12\u202f000 ₸"
    assert lines["Cancelled"] == "2, of these out of stock: 1"
    assert lines["Goods that ran out"] == "1"
    assert lines["On sale now"] == "1"
    assert lines["Needs a person"] == "1"
    assert lines["To reserve"] == "3"
    assert lines["Quarantine, “price fell sharply”"] == "1"
    assert "Returns" not in lines


def test_a_failing_channel_is_seen_on_the_overview(settings):
    channel_fails()
    text = page(log_in(settings, "owner"), "/admin/")
    assert "Messages by “Phone” do not arrive" in text


def test_the_environments_channels_are_there_before_the_first_message(settings):
    settings.ALERT_URLS = ["json://127.0.0.1:9/aaaaaaaaaa"]
    sync_environment()
    assert Channel.objects.get().name == "ALERT_URLS №1"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "update.json",
            {"stage": "undone", "revision": "0123456789abcdef", "reason": "web died"},
            "The update to 0123456789ab was taken back: web died",
        ),
        ("refused.json", {"reason": "no git"}, "The bridge cannot be updated: no git"),
    ],
)
def test_a_failed_update_is_told_for_a_week(settings, tmp_path, name, content, told):
    settings.HOME_DIR = tmp_path
    state = tmp_path / "releases" / "state"
    state.mkdir(parents=True)
    now = timezone.now()
    for days, expected in ((1, [told]), (8, [])):
        moment = (now - timedelta(days=days)).timestamp()
        written = {**content, "asked_at": moment, "at": moment}
        (state / name).write_text(json.dumps(written))
        needs = [need for need in read_workers(now=now).needs if need.kind]
        assert [str(n.text) for n in needs if n.kind.code == "update"] == expected
