"""A shop on an ordinary morning: what the guides' pictures show."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone, translation

from alerts.following import acknowledge, follow
from alerts.models import Alert, Channel
from bridge_site.alerting import look
from bridge_site.models import FirstDayClosed, TemporaryPassword
from bridge_site.roles import set_staff, sync_roles
from bridge_site.schedules import sync_schedules
from bridge_site.workers import PARTS
from catalog.models import CommissionRate, ImportRun, PriceRule, Product
from feeds.models import FeedBuild, FeedFetch, Store
from orders.models import Order, ReadMark, Reason
from orders.money.booking import book_orders
from plumbing.models import Heartbeat
from tests.orders.factories import make_order
from tests.orders.parcels import make_parcel
from tests.orders.stuck import hold, not_bought
from tests.staff import make_category, make_import, make_product, make_version

NINE = datetime.fromisoformat("2026-12-01T09:42:00+05:00")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PEOPLE = (
    ("owner", "Данияр", "Ахметов", "owner"),
    ("aigul", "Айгуль", "Сатпаева", "operator"),
    ("yerzhan", "Ержан", "Омаров", "packer"),
    ("olga", "Ольга", "Ким", "viewer"),
)
# Branch, brand, name, dealer price, stock.
GOODS = (
    ("Клавиатуры", "Redragon", "Клавиатура Redragon Kumara K552", 15_900, 24),
    ("Клавиатуры", "Logitech", "Клавиатура Logitech K120, чёрная", 5_200, 140),
    ("Мыши", "Logitech", "Мышь Logitech M185 беспроводная, чёрная", 6_100, 75),
    ("Мыши", "Razer", "Мышь Razer DeathAdder Essential", 11_400, 9),
    ("Мониторы", "Samsung", 'Монитор Samsung 24" S24C310', 44_900, 6),
    ("Мониторы", "LG", 'Монитор LG 27" 27MP400', 58_300, 3),
    ("Чайники", "Redmond", "Чайник Redmond RK-M1721", 12_700, 0),
    ("Чайники", "Polaris", "Чайник Polaris PWK 1775", 9_300, 31),
    ("Наушники", "JBL", "Наушники JBL Tune 520BT", 17_800, 18),
    ("Наушники", "Sony", "Наушники Sony WH-CH520", 21_500, 0),
)
SOLD_A_DAY = (4, 6, 5, 7, 3, 2, 6)


def furnish_morning(settings: Any, feed_dir: Any, *, password: str) -> None:
    """Fill the bridge with a month's trade and a morning's work; call it at `NINE`."""
    settings.FEED_DIR = feed_dir
    settings.KASPI_CABINET_URL = "https://kaspi.kz/mc/#/orders/{code}"
    now = timezone.now()
    for name in PARTS:
        Heartbeat.objects.create(name=name, host="srv", beaten_at=now)
    with translation.override("ru"):
        _furnish_people(password, now=now)
        goods = _furnish_goods(now=now)
        _furnish_list(now=now)
        _furnish_past(goods, now=now)
        _furnish_today(goods, now=now)
        _furnish_alerts(now=now)
    sync_schedules(now=now)


def _furnish_people(password: str, *, now: datetime) -> None:
    sync_roles()
    for username, first_name, last_name, role in PEOPLE:
        set_staff(username, role=role, password=password)
        person = User.objects.filter(username=username)
        person.update(first_name=first_name, last_name=last_name, last_login=now - HOUR)
    TemporaryPassword.objects.all().delete()
    FirstDayClosed.objects.create(closed_at=now - 30 * DAY)


def _furnish_goods(*, now: datetime) -> list[Product]:
    Store.objects.create(store_id="PP1", name="Склад на Абая")
    CommissionRate.objects.all().delete()
    CommissionRate.objects.create(
        percent="12.5",
        holds_from=now.date() - 90 * DAY,
        checked_at=now - 30 * DAY,
        checked_by="owner",
    )
    PriceRule.objects.all().delete()
    PriceRule.objects.create(name="Все товары", base="cost", markup_percent=22)
    branches = {
        name: make_category(name, left=number * 10 + 100, right=number * 10 + 101)
        for number, name in enumerate(dict.fromkeys(good[0] for good in GOODS))
    }
    return [
        make_product(
            article=str(103_700 + number),
            sku=str(103_700 + number),
            name=name,
            brand=brand,
            category=branches[branch],
            cost_kzt=cost,
            retail_kzt=cost * 3 // 2,
            stock=stock,
            barcode=f"48700000000{number:02d}",
            is_published=Product.Publish.CATEGORY,
            first_seen=now - 90 * DAY,
        )
        for number, (branch, brand, name, cost, stock) in enumerate(GOODS)
    ]


def _furnish_list(*, now: datetime) -> None:
    make_import(kind=ImportRun.Kind.CATALOGUE, age=6 * HOUR)
    make_import(age=4 * MINUTE)
    first = make_version()
    version = make_version(lambda: Product.objects.filter(stock=31).update(stock=28))
    for build, age in ((first, 7 * HOUR), (version, 34 * MINUTE)):
        FeedBuild.objects.filter(pk=build.pk).update(
            started_at=now - age, published_at=now - age
        )
    FeedFetch.objects.create(
        fetched_at=now - 12 * MINUTE,
        is_kaspi=True,
        status_code=200,
        build=version,
        bytes_sent=48_213,
    )
    for state in Order.STATES:
        ReadMark.objects.create(
            state=state, read_until=now - 2 * MINUTE, first_read_at=now - 30 * DAY
        )


def _furnish_past(goods: list[Product], *, now: datetime) -> None:
    """Sell something every day of the last month."""
    for days in range(1, 31):
        at = now - days * DAY
        sold = SOLD_A_DAY[at.weekday()]
        for number in range(sold):
            product = goods[(days + 3 * number) % len(goods)]
            order = make_order(
                (product, 1),
                created_at=at - DAY,
                status=Order.COMPLETED,
                state=Order.ARCHIVE,
                ended_at=at,
                delivery_fee_kzt=1_099,
                total_kzt=_price(product),
            )
            order.lines.update(price_kzt=_price(product))
            order.steps.all().delete()
            order.reservations.all().delete()
            book_orders([order], now=at)


def _price(product: Product) -> int:
    return (product.cost_kzt or 0) * 14 // 100 * 10


def _take_in(product: Product, *, age: timedelta, **fields: Any) -> Order:
    now = timezone.now()
    order = make_order(
        (product, 1),
        created_at=now - age,
        approved_at=now - age,
        **{"accept_by": now - age + 3 * HOUR, "total_kzt": _price(product), **fields},
    )
    order.lines.update(price_kzt=_price(product))
    return order


def _furnish_today(goods: list[Product], *, now: datetime) -> None:
    kumara, k120, m185, razer, samsung, _lg, redmond, polaris, jbl, _sony = goods
    for product, reason, said, minutes in (
        (redmond, Reason.OUT_OF_STOCK, f"{redmond.name}: нужно 1, есть 0", 47),
        (jbl, Reason.LOSES_MONEY, "Покупатель платит 16 900 ₸, убыток 2 350 ₸", 22),
        (k120, Reason.UNKNOWN_SKU, "XX-999: такого SKU у нас нет", 9),
    ):
        order, _step = not_bought(reason, product, last_error=said)
        price = 16_900 if reason == Reason.LOSES_MONEY else _price(product)
        Order.objects.filter(pk=order.pk).update(
            created_at=now - minutes * MINUTE,
            accept_by=now + 3 * HOUR - minutes * MINUTE,
            total_kzt=price,
        )
        order.lines.update(price_kzt=price)
        order.steps.update(finished_at=now - (minutes - 1) * MINUTE)
    for product, minutes in ((m185, 4), (razer, 2)):
        _take_in(product, age=minutes * MINUTE)
    kaspi: dict[str, Any] = {"state": Order.KASPI_DELIVERY, "status": Order.ACCEPTED}
    for product, number, minutes in (
        (kumara, "6120331", 71),
        (samsung, "6120332", 33),
    ):
        hold(_take_in(product, age=minutes * MINUTE), number)
    late = {"hand_over_by": now + 7 * HOUR, **kaspi, "is_kaspi_delivery": True}
    hold(_take_in(polaris, age=3 * HOUR, **late), "6120320")
    for wanted, waybill in (
        (((m185, 2), (polaris, 1)), "884001"),
        (((polaris, 1),), "884002"),
        (((k120, 1), (m185, 1)), "884003"),
    ):
        parcel = make_parcel(*wanted, waybill=waybill, hand_over_by=now + 5 * HOUR)
        Order.objects.filter(pk=parcel.pk).update(
            created_at=now - DAY, total_kzt=sum(_price(p) * n for p, n in wanted)
        )
        hold(parcel, f"61203{waybill[-2:]}")
    pickup = {"state": Order.PICKUP, "status": Order.ACCEPTED}
    hold(_take_in(jbl, age=DAY, collect_by=now + 2 * DAY, **pickup), "6120298")


def _furnish_alerts(*, now: datetime) -> None:
    earlier = now - 35 * MINUTE
    follow(look(now), now=earlier)
    first = Alert.objects.open().earliest("pk")
    acknowledge([first], actor="aigul", now=now - 20 * MINUTE)
    Alert.objects.update(told=1, told_at=earlier)
    Channel.objects.create(
        name="Телеграм склада",
        scheme="tgram",
        audience=Channel.Audience.OPERATOR,
        last_sent_at=earlier,
    )
