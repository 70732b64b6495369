"""A bridge with something of everything, as on a busy day, and all its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from alerts.following import Look, acknowledge, follow
from alerts.models import Alert, Channel, Notice
from bridge_site.alerting import look
from bridge_site.roles import set_staff, sync_roles
from bridge_site.schedules import sync_schedules
from bridge_site.workers import PARTS
from catalog.models import Product
from feeds.models import FeedBuild, FeedFetch, Store
from orders.clients import Clients
from orders.models import Order, ReadMark, Step
from orders.plan.events import record
from orders.reconciling.rounds import reconcile
from orders.steps.machine import process_due
from plumbing.models import Heartbeat, HostPart
from tests.orders.factories import (
    articles_of_plenty,
    doubt,
    ensure_price_rule,
    make_order,
    product_of,
)
from tests.staff import make_category, make_import, make_product, make_version

LINK = re.compile(r'<a\b[^>]*\bhref="([^"]*)"')
# What makes a page another page than its neighbour, among what addresses ask for.
TELLING = ("tab", "status", "state")


def furnish_house(settings: Any, supplier: Any, feed_dir: Any) -> None:
    """Fill the bridge with goods, versions and orders in every situation."""
    settings.FEED_DIR = feed_dir
    settings.ORDER_TIMEOUT_S = 5
    settings.PEER_LONGEST_WAIT_S = 1
    now = timezone.now()
    for name in PARTS:
        Heartbeat.objects.create(name=name, host="srv", beaten_at=now)
    for part in ("web", "dispatch"):
        seen = {"since": now, "seen_at": now, "fit": "fits", "memory_bytes": 9 << 23}
        HostPart.objects.create(host="srv", part=part, **seen)
    Store.objects.create(store_id="PP1", name="Склад на Абая")
    with translation.override("ru"):
        _furnish_goods()
        _furnish_orders(supplier)
        reconcile(now=now)
        _furnish_alerts()
    sync_roles()
    sync_schedules(now=now)
    set_staff("olga", role="viewer")
    record(Order.objects.latest("pk"), "Проверено", now=now, actor="olga")


def _furnish_goods() -> None:
    ensure_price_rule()
    now = timezone.now()
    top = make_category("Бытовая техника", right=29)
    sold = make_category(
        "Чайники", parent=top, level=2, path="Бытовая техника / Чайники"
    )
    by_category = Product.Publish.CATEGORY
    for _number in range(6):
        make_product(category=sold, is_published=by_category, name="Чайник Пример")
    make_product(stock=0, name="Лампа настольная")
    make_product(cost_kzt=None, name="Кабель")
    make_product(accepted_price_kzt=100_000, name="Бумага офисная")
    make_import(message="прочитано: 412, изменено: 9")
    make_version()
    version = make_version(lambda: Product.objects.update(stock=7))
    FeedBuild.objects.create(
        status=FeedBuild.Status.REFUSED,
        started_at=now,
        reason="Пустой прайс-лист",
        counts={"left_out": {"out_of_stock": 3}},
    )
    FeedFetch.objects.create(
        fetched_at=now, is_kaspi=True, status_code=200, build=version, bytes_sent=900
    )


def _process() -> None:
    with Clients() as clients:
        process_due(clients, budget_s=30)


def _furnish_orders(supplier: Any) -> None:
    plenty = articles_of_plenty(supplier)[:4]
    goods = [product_of(supplier, article) for article in plenty]
    held = make_order((goods[0], 1), total_kzt=2 * (goods[0].cost_kzt or 0))
    supplier.set_good(int(goods[1].article), quantity=0)
    make_order((goods[1], 1))
    _process()
    unknown = make_order(("XX-999", 1))
    doubt(make_order((goods[2], 2)))
    now = timezone.now()
    make_order((goods[3], 1), accept_by=now + timedelta(minutes=20))
    kaspi: dict[str, Any] = {"state": "KASPI_DELIVERY", "status": Order.ACCEPTED}
    make_order((goods[3], 1), **kaspi, is_kaspi_delivery=True)
    make_order((goods[3], 1), **kaspi, is_kaspi_delivery=True, is_assembled=True)
    make_order((goods[3], 1), state="PICKUP", status=Order.ACCEPTED)
    make_order((goods[3], 1), state="DELIVERY", status=Order.ACCEPTED)
    make_order((goods[3], 1), state="ARCHIVE", status="COMPLETED")
    make_order((goods[3], 1), state="ARCHIVE", status="CANCELLED")
    make_order((goods[3], 1), state="SIGN_REQUIRED")
    for state in ("NEW", "SIGN_REQUIRED", "PICKUP", "DELIVERY", "ARCHIVE"):
        ReadMark.objects.create(state=state, read_until=now, first_read_at=now)
    accept = held.steps.filter(kind=Step.Kind.ACCEPT)
    assert accept.update(status=Step.Status.NEEDS_PERSON, last_error="503") == 1
    record(unknown, "Неизвестный SKU XX-999: укажите товар", now=now)


def _furnish_alerts() -> None:
    """Let the watch have looked: some alerts are over, one is acknowledged."""
    now = timezone.now()
    earlier = now - timedelta(hours=2)
    follow(look(now), now=earlier)
    last = Alert.objects.latest("pk")
    follow([Look(source=last.source, needs=[])], now=earlier)
    follow(look(now), now=now)
    first = Alert.objects.open().earliest("pk")
    acknowledge([first], actor="olga", now=now)
    desk = Channel.objects.create(
        name="Телеграм склада",
        scheme="tgram",
        audience=Channel.Audience.OPERATOR,
        last_sent_at=now,
    )
    phone = Channel.objects.create(
        name="Телефон владельца",
        scheme="ntfy",
        audience=Channel.Audience.OWNER,
        urgent_only=True,
        takes_digest=False,
        failing_since=earlier,
        last_error="служба не приняла",
    )
    for channel, values in (
        (desk, {"sent_at": now}),
        (phone, {"error": "служба не приняла", "attempts": 2}),
    ):
        notice = Notice.objects.create(
            channel=channel,
            kind=Notice.Kind.ALERTS,
            title=first.title,
            body=f"Новое:\n• {first.text}",
            created_at=earlier,
            not_before=earlier,
            **values,
        )
        notice.alerts.add(first)


def sign_in(role: str, password: str) -> User:
    sync_roles()
    set_staff(role, role=role, password=password)
    user = User.objects.get(username=role)
    LogEntry.objects.create(
        user=user, action_flag=CHANGE, object_repr="PP1", change_message="Сохранено"
    )
    return user


def kind_of(url: str) -> str:
    """Tell pages of one kind by one name: their rows' numbers do not matter."""
    parts = urlsplit(url)
    telling = [(k, v) for k, v in parse_qsl(parts.query) if k in TELLING]
    return re.sub(r"\d+", "N", parts.path) + ("?" + urlencode(telling)) * bool(telling)


def pages_of_orders() -> list[str]:
    return [
        reverse("admin:orders_order_change", args=[pk])
        for pk in Order.objects.order_by("pk").values_list("pk", flat=True)
    ]


def walk_pages(user: User, *, language: str = "ru") -> Iterator[tuple[str, str]]:
    """Follow every link of the admin; gives one page of each kind and its text."""
    for url, answer in walk_answers(user, language=language):
        if _is_page(answer):
            yield url, answer.content.decode()


def _is_page(answer: Any) -> bool:
    return bool(answer.headers["Content-Type"].startswith("text/html"))


def walk_answers(user: User, *, language: str = "ru") -> Iterator[tuple[str, Any]]:
    """Follow every link of the admin; gives one answer of each kind, files too."""
    client = Client()
    client.cookies["django_language"] = language
    client.force_login(user)
    orders = pages_of_orders()
    waiting, seen = [reverse("admin:index"), *orders], set[str]()
    while waiting:
        url = waiting.pop(0)
        kind = url if url in orders else kind_of(url)
        if kind in seen:
            continue
        seen.add(kind)
        response = client.get(url)
        if response.status_code in (301, 302):
            waiting.append(response.headers["Location"])
            continue
        assert response.status_code < 400, (url, response.status_code)
        yield url, response
        if not _is_page(response):
            continue
        for link in LINK.findall(response.content.decode()):
            link = link.replace("&amp;", "&").partition("#")[0]
            if link.startswith("?"):
                link = urlsplit(url).path + link
            if link.startswith("/admin/"):
                waiting.append(link)
