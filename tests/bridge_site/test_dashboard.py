import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone, translation
from django_q.models import Task

from backoffice.charts import Bar, Ends, Point, draw_bars, draw_stairs
from backoffice.formatting import (
    Tone,
    absolute,
    ago,
    duration,
    file_size,
    grouped,
    stock_text,
)
from bridge_site.dashboard import (
    SEES_GOODS,
    SEES_ORDERS,
    SEES_PRICE_LIST,
    SEES_WORKERS,
    read_overview,
)
from bridge_site.workers import PARTS
from catalog.availability import stock_is_stale
from catalog.dashboard import draw_changes, recent_runs
from catalog.models import Category, CommissionRate, ImportRun, PriceRule, Product
from catalog.needs import count_quarantine, read_last_runs
from feeds.dashboard import draw_on_sale
from feeds.models import FeedBuild, FeedFetch, Store
from orders.models import Step
from plumbing.models import Heartbeat, TimeJump
from tests.orders.factories import make_order
from tests.staff import (
    furnish,
    log_in,
    log_in_without_role,
    make_category,
    make_import,
    make_product,
    page,
)

pytestmark = pytest.mark.django_db
HEALTH = "/admin/overview/health/"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def now():
    """The moment of the test: one of the module would age while others run."""
    return timezone.now()


@pytest.fixture
def healthy(settings, now):
    """A bridge in which nothing needs anybody."""
    for name in PARTS:
        Heartbeat.objects.create(name=name, host="srv", beaten_at=now)
    Store.objects.create(store_id="PP1")
    CommissionRate.objects.update(checked_at=now, checked_by="owner")
    make_category()
    make_import()
    make_import(kind=ImportRun.Kind.CATALOGUE, age=5 * HOUR)
    version = make_build()
    FeedFetch.objects.create(fetched_at=now, is_kaspi=True, status_code=304)
    return version


def make_build(status=FeedBuild.Status.ACTIVE, *, age=2 * MINUTE, **values):
    at = timezone.now() - age
    published_at = at if status in ("active", "archived") else None
    counts = {"offers": 40, "on_sale": 31, "left_out": {"out_of_stock": 7}}
    return FeedBuild.objects.create(
        status=status,
        started_at=at,
        published_at=published_at,
        **{"counts": counts, **values},
    )


def overview():
    request = RequestFactory().get("/admin/")
    request.user = User(is_superuser=True)
    return read_overview(request)


def needs():
    seen = overview()
    return [(need.tone, need.text) for need in [*seen.orders.needs, *seen.needs]]


def states():
    return [(card.tone, card.state) for card in overview().cards]


def fail_a_task(result="boom"):
    Task.objects.create(
        id="a" * 32,
        name="x",
        func="catalog.tasks.sync_stock",
        started=timezone.now(),
        stopped=timezone.now(),
        success=False,
        result=result,
    )


def test_when_all_is_well_nothing_needs_anybody(healthy, settings):
    assert needs() == []
    assert [state for _tone, state in states()] == [
        "fresh",
        "live",
        "on time",
        "working",
    ]
    assert "All is well" in page(log_in(settings, "viewer"), reverse("admin:index"))


def test_an_empty_bridge_says_what_to_do_first(settings):
    PriceRule.objects.all().delete()
    texts = " ".join(text for _tone, text in needs())
    for words in (
        "No worker has begun yet",
        "Al-Style's goods were not read yet: the catalogue comes first",
        "No active point of sale",
        "No price rule is in force",
        "No category is sold",
        "The price list was never built",
    ):
        assert words in texts
    # There is nothing yet that could have stopped.
    assert "silent" not in texts
    assert states() == [
        (Tone.WARN, "not read yet"),
        (Tone.BAD, "never published"),
        (Tone.QUIET, "not yet"),
        (Tone.WARN, "not begun yet"),
    ]
    page(log_in(settings, "viewer"), reverse("admin:index"))


def stale():
    ImportRun.objects.update(started_at=timezone.now() - 3 * HOUR)


def failing():
    make_import(
        age=MINUTE, status=ImportRun.Status.FAILED, message="no answer within 60 s"
    )


def failing_on():
    ImportRun.objects.update(started_at=timezone.now() - HOUR)
    failing()


def odd_rows():
    make_import(age=MINUTE, counts={"bad": 3})


def set_back():
    TimeJump.objects.create(noticed_at=timezone.now(), seconds=-86_400, host="srv")


def set_ahead():
    TimeJump.objects.create(noticed_at=timezone.now(), seconds=600, host="srv")


def silent():
    Heartbeat.objects.filter(name="orders").update(
        beaten_at=timezone.now() - 12 * MINUTE
    )


def refused():
    make_build(FeedBuild.Status.REFUSED, age=MINUTE, reason="too many at once")


def withholding():
    counts = {"withheld": 4000}
    make_build(
        FeedBuild.Status.UNCHANGED, age=MINUTE, reason="4000 stay", counts=counts
    )


def broken():
    make_build(FeedBuild.Status.FAILED, age=MINUTE, reason="the disk is full")


def kept():
    FeedBuild.objects.update(pinned_until=timezone.now() + HOUR)


def unbuilt():
    FeedBuild.objects.update(started_at=timezone.now() - HOUR)


def unfetched():
    FeedFetch.objects.update(fetched_at=timezone.now() - 2 * HOUR)


def never_fetched():
    FeedFetch.objects.all().delete()
    FeedBuild.objects.update(published_at=timezone.now() - 2 * HOUR)


def refusing_kaspi():
    FeedFetch.objects.update(status_code=401)
    FeedBuild.objects.update(published_at=timezone.now() - 2 * HOUR)


def bad_sku():
    FeedBuild.objects.update(counts={"left_out": {"bad_sku": 4}})


@pytest.mark.parametrize(
    ("happen", "tone", "words"),
    [
        (stale, Tone.BAD, "Stock was last read 3 hours ago: the goods come off sale"),
        (failing, Tone.INFO, "failed (stock and prices): no answer within 60 s"),
        (failing_on, Tone.WARN, "failed (stock and prices): no answer within 60 s"),
        (odd_rows, Tone.INFO, "3 rows of the last import could not be used"),
        (set_back, Tone.BAD, "set back by 24 hours (noticed"),
        (set_ahead, Tone.BAD, "jumped ahead by 10 minutes (noticed"),
        (silent, Tone.BAD, "are silent; last sign of life: 12 minutes ago"),
        (refused, Tone.BAD, "was refused: too many at once"),
        (withholding, Tone.BAD, "Too much would go off sale at once"),
        (broken, Tone.BAD, "failed: the disk is full"),
        (kept, Tone.INFO, "was put back by hand"),
        (unbuilt, Tone.WARN, "was last built 1 hour ago"),
        (unfetched, Tone.BAD, "Kaspi last fetched the price list 2 hours ago"),
        (never_fetched, Tone.BAD, "Kaspi has never fetched the price list"),
        (refusing_kaspi, Tone.BAD, "Kaspi has never fetched the price list"),
        (bad_sku, Tone.INFO, "forbidden characters”: 4"),
    ],
)
def test_what_goes_wrong_is_the_one_thing_said(healthy, happen, tone, words):
    happen()
    ((found_tone, text),) = needs()
    assert words in text
    assert found_tone == tone


def test_quarantine_is_said_where_a_person_can_end_it(healthy):
    for _number in range(12):
        make_product(quarantine=Product.Quarantine.JUMP)
    make_product(quarantine=Product.Quarantine.NO_COST)
    make_product(quarantine=Product.Quarantine.RISE)
    assert needs() == [(Tone.WARN, "Quarantine, “price fell sharply”: 12")]


def test_failed_tasks_are_said(healthy):
    fail_a_task()
    assert needs() == [(Tone.WARN, "Tasks of the queue fail: look at the last of them")]
    assert not overview().is_healthy


def test_a_task_that_has_worked_since_is_no_news(healthy):
    fail_a_task()
    late = timezone.now() + MINUTE
    done = {"started": late, "stopped": late, "success": True}
    Task.objects.create(id="b" * 32, name="y", func="orders.tasks.poll_orders", **done)
    assert len(needs()) == 1
    Task.objects.create(id="c" * 32, name="z", func="catalog.tasks.sync_stock", **done)
    assert needs() == []


def test_the_most_pressing_comes_first(healthy):
    odd_rows()
    refused()
    make_product(quarantine=Product.Quarantine.JUMP)
    tones = [tone for tone, _text in needs()]
    assert tones == [Tone.BAD, Tone.WARN, Tone.INFO]


def test_a_version_being_built_hides_no_refusal(healthy):
    refused()
    make_build(FeedBuild.Status.BUILDING, age=timedelta(0), counts={})
    assert "was refused" in needs()[0][1]


def test_the_last_good_reading_is_known_behind_a_failed_one(healthy):
    good = ImportRun.objects.get(kind="stock")
    failing()
    last = read_last_runs()
    assert last.good["stock"] == good
    assert last.failed.message == "no answer within 60 s"
    assert states()[0] == (Tone.WARN, "failing")


def test_dry_runs_count_for_nothing(healthy):
    ImportRun.objects.all().delete()
    make_import(is_dry_run=True)
    assert read_last_runs().good == {}


@pytest.mark.parametrize("age", [119 * MINUTE, 121 * MINUTE])
def test_stock_is_late_here_when_offers_say_so(healthy, age, now):
    ImportRun.objects.update(started_at=now - age)
    assert ((Tone.BAD, "out of date") in states()) == stock_is_stale(now=now)


def test_secrets_are_not_shown(healthy, settings):
    url = f"https://api.example/api/date?access-token={settings.ALSTYLE_TOKEN}"
    make_import(status=ImportRun.Status.FAILED, message=url)
    make_build(FeedBuild.Status.REFUSED, age=MINUTE, reason=settings.KASPI_TOKEN)
    fail_a_task(f"PeerUnavailable: {url}\nTraceback")
    viewer = log_in(settings, "viewer")
    text = page(viewer, reverse("admin:index")) + page(viewer, HEALTH)
    assert "catalog.tasks.sync_stock" in text
    assert "access-token=***" in text
    for secret in (settings.ALSTYLE_TOKEN, settings.KASPI_TOKEN):
        assert secret not in text


def test_a_commission_that_nobody_confirmed_is_said(healthy):
    CommissionRate.objects.filter(kaspi_category="").update(checked_at=None)
    ((tone, text),) = needs()
    assert (tone, "compare Kaspi's commission" in text) == (Tone.INFO, True)
    CommissionRate.objects.all().delete()
    ((tone, text),) = needs()
    assert (tone, "commission is empty" in text) == (Tone.WARN, True)


@pytest.mark.parametrize("part", [{}, {"HTTP_X_PART": "1"}], ids=["page", "part"])
@pytest.mark.parametrize("url", ["/admin/", "/admin/overview/health/"])
def test_everything_of_everything_is_read_in_twelve_queries(
    url, part, settings, tmp_path, django_assert_max_num_queries
):
    furnish(settings, tmp_path / "feed")
    for number in range(20):
        make_import(age=number * HOUR)
        make_build(FeedBuild.Status.ARCHIVED, age=number * HOUR)
        order = make_order((make_product(), 1))
        if number % 2:
            Step.objects.filter(order=order).update(status=Step.Status.NEEDS_PERSON)
    fail_a_task()
    client = log_in(settings, "owner")
    with django_assert_max_num_queries(12):
        assert client.get(url, **part).status_code == 200


def test_the_count_is_of_things_to_do(healthy, settings):
    viewer = log_in(settings, "viewer")
    assert "<title>Overview | " in page(viewer, "/admin/")
    refused()
    odd_rows()
    for _number in range(3):
        order = make_order((make_product(), 1))
        Step.objects.filter(order=order).update(status=Step.Status.NEEDS_PERSON)
    # The refused list and each order; odd rows are only to be looked at.
    assert "<title>(4) Overview | " in page(viewer, "/admin/")
    assert viewer.get(reverse("overview_count")).json() == {"count": 4}


def test_without_a_role_nothing_is_told(healthy, settings):
    order = make_order((make_product(), 1), total_kzt=77_123)
    Step.objects.filter(order=order).update(status=Step.Status.NEEDS_PERSON)
    refused()
    newcomer = log_in_without_role()
    for url in ("/admin/", HEALTH):
        text = page(newcomer, url)
        for told in (order.code, "77\u202f123", "refused", "Turnover", "Orders by day"):
            assert told not in text, (url, told)
    assert "You have no role here" in page(newcomer, "/admin/")
    assert newcomer.get(reverse("overview_count")).json() == {"count": 0}


def test_a_packer_sees_parcels_and_no_turnover(healthy, settings):
    order = make_order((make_product(), 1), total_kzt=77_123)
    for role, sees in (("packer", False), ("viewer", True)):
        client = log_in(settings, role)
        overview = page(client, "/admin/")
        assert order.code in overview
        assert "Orders by day" in overview
        for told in ("77\u202f123", "Money today", "Revenue by day"):
            assert (told in overview) is sees, (role, told)
        orders = page(client, reverse("admin:orders_order_changelist"))
        assert ("under the least margin" in orders) is sees


@pytest.mark.parametrize(
    ("rights", "shown", "hidden"),
    [
        (SEES_GOODS, "Al-Style</a>", "Orders by day"),
        (SEES_ORDERS, "Orders by day", "Al-Style</a>"),
        (SEES_PRICE_LIST, "Fetched by Kaspi", "Orders by day"),
        (SEES_WORKERS, "Workers", "Orders by day"),
    ],
)
def test_each_part_asks_for_its_own_rights(healthy, rights, shown, hidden):
    text = page(log_in_without_role(*rights), "/admin/")
    assert shown in text
    assert hidden not in text


def test_links_lead_only_where_the_reader_may_go(healthy, settings):
    bad_sku()
    reader = log_in_without_role("feeds.view_feedbuild", "feeds.view_feedfetch")
    text = page(reader, "/admin/").split('id="overview"')[1] + page(reader, HEALTH)
    assert "forbidden characters”: 4" in text
    links = set(re.findall(r'href="(/admin/[^"#]+)', text)) - {
        "/admin/password_change/"
    }
    assert len(links) > 4
    for url in links:
        assert reader.get(url.replace("&amp;", "&")).status_code == 200, url


def test_the_fold_opens_by_itself_only_when_something_is_wrong(healthy, settings):
    viewer = log_in(settings, "viewer")
    assert '<details class="full health" id="health">' in page(viewer, "/admin/")
    silent()
    assert '<details class="full health" id="health" open>' in page(viewer, "/admin/")


def test_reasons_link_to_the_goods_they_concern(healthy, settings, now):
    make_product(quarantine=Product.Quarantine.JUMP)
    make_product(quarantine=Product.Quarantine.JUMP, gone_at=now)
    assert count_quarantine() == {"jump": 1}
    text = page(log_in(settings, "viewer"), HEALTH)
    url = reverse("admin:catalog_product_changelist")
    assert f'href="{url}?sale=out_of_stock"' in text
    assert f'href="{url}?quarantine=jump"' in text


def test_the_charts_carry_on_where_nothing_was_published(now):
    for days, number in ((9, 20), (3, 50)):
        make_build(
            FeedBuild.Status.ARCHIVED,
            age=timedelta(days=days),
            counts={"on_sale": number},
        )
    svg = draw_on_sale(now=now)
    assert svg.count(": 20<") == 6
    assert svg.count(": 50<") == 4


def test_changes_are_added_up_by_day(now):
    make_import(counts={"changed": 5, "new": 2, "gone": 1})
    make_import(counts={"changed": 7}, age=timedelta(days=1))
    make_import(counts={"changed": 90}, status=ImportRun.Status.FAILED)
    svg = draw_changes(recent_runs(now=now), now=now)
    assert svg.count("<rect") == 28
    assert ": 8<" in svg
    assert ": 7<" in svg
    assert ": 90<" not in svg


def test_labels_of_charts_are_escaped():
    bars = draw_bars([Bar(label="<b>", value=1)], title="<i>")
    points = [Point(at=0.0, value=5), Point(at=0.0, value=5)]
    ends = Ends(first="<u>", last="now")
    steps = draw_stairs(points, title="<i>", ends=ends, from_zero=False)
    for svg in (bars, steps):
        assert not {"<b>", "<i>", "<u>"} & set(svg.split(">"))
        assert "&lt;i&gt;" in svg
    assert draw_bars([], title="nothing yet")


def test_figures_are_written_as_people_do(now):
    assert grouped(1234567) == "1\u202f234\u202f567"
    assert grouped(-1500) == "−1\u202f500"
    assert grouped(None) == "—"
    assert stock_text(51, is_lower_bound=True) == ">50"
    assert stock_text(0, is_lower_bound=True) == "0"
    assert stock_text(6001, is_lower_bound=True) == ">6\u202f000"
    assert file_size(900) == "900 B"
    assert file_size(None) == file_size(0) == "—"
    assert duration(now, now + 200 * timedelta(seconds=1)) == "3 min 20 s"
    assert duration(now, now + timedelta(seconds=2.5)) == "2.5 s"
    assert duration(now, None) == "—"


@pytest.mark.parametrize(
    ("past", "in_english", "in_russian"),
    [
        (timedelta(seconds=20), "just now", "только что"),
        (MINUTE, "1 minute ago", "1 минуту назад"),
        (3 * MINUTE, "3 minutes ago", "3 минуты назад"),
        (11 * MINUTE, "11 minutes ago", "11 минут назад"),
        (HOUR, "1 hour ago", "1 час назад"),
        (30 * HOUR, "30 hours ago", "30 часов назад"),
        (timedelta(days=21), "21 days ago", "21 день назад"),
        (-22 * MINUTE, "in 22 minutes", "через 22 минуты"),
    ],
)
def test_distances_in_time_are_grammatical(past, in_english, in_russian, now):
    assert ago(now - past, now=now) == in_english
    with translation.override("ru"):
        assert ago(now - past, now=now) == in_russian


def test_moments_are_almatys():
    now = datetime.fromisoformat("2026-03-02T20:30:00+00:00")
    assert absolute(now, now=now) == "today, 01:30"
    assert absolute(now - 3 * HOUR, now=now) == "yesterday, 22:30"
    with translation.override("ru"):
        assert absolute(now - 72 * HOUR, now=now) == "28 февраля, 01:30"
        assert absolute(now - 9000 * HOUR, now=now) == "21.02.2025, 01:30"


def test_nothing_is_sold_while_no_category_is_chosen(healthy):
    Category.objects.update(is_published=False)
    assert "No category is sold" in needs()[0][1]
    make_product()
    assert needs() == []
