"""Staff at their pages, and a bridge with something of everything to show them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone, translation
from django_q.models import OrmQ

from bridge_site.roles import set_staff, sync_roles
from bridge_site.workers import PARTS
from catalog.models import Category, ImportRun, PriceRule, Product, ProductChange
from catalog.writing import add_words
from feeds.models import FeedBuild, FeedFetch, Store
from feeds.publishing import BuildResult, build_price_list
from plumbing.models import Heartbeat, HostPart

HOSTILE = "<script>alert('x')</script> \"&amp; O'Хара"


def log_in(settings: Any, role: str, *, language: str = "en") -> Client:
    """Give the browser of somebody with this role."""
    sync_roles()
    set_staff(role, role=role, password="a-long-password")
    return _client(User.objects.get(username=role), language=language)


def log_in_superuser(settings: Any, *, language: str = "en") -> Client:
    user = User.objects.create_superuser("root")
    return _client(user, language=language)


def log_in_without_role(*rights: str) -> Client:
    """Give the browser of somebody with no role, only with these rights, if any."""
    user = User.objects.create_user("newcomer", is_staff=True)
    for right in rights:
        app, codename = right.split(".")
        its = Permission.objects.filter(content_type__app_label=app, codename=codename)
        user.user_permissions.add(its.get())
    return _client(user, language="en")


def _client(user: User, *, language: str) -> Client:
    client = Client()
    client.cookies[django_settings.LANGUAGE_COOKIE_NAME] = language
    client.force_login(user)
    return client


def page(client: Client, url: str, **data: Any) -> str:
    """Open a page, which must be there, and give its text."""
    response = client.get(url, data)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def messages_of(response: Any) -> str:
    """Give what the page after a button says."""
    return " ".join(str(message) for message in response.context["messages"])


def confirm(client: Client, response: Any, **data: Any) -> Any:
    """Save what a form or an action shows first; any other answer is given back."""
    if response.status_code != 302 or "/feeds/proposal/" not in response.url:
        return response
    shown = client.get(response.url)
    assert shown.status_code == 200, shown.status_code
    answer = {"seal": shown.context["seal"], "sure": "on", **data}
    return client.post(response.url, answer, follow=True)


def queued() -> list[str]:
    """Name the tasks that wait in the queue."""
    return [task.func() for task in OrmQ.objects.order_by("pk")]


def make_category(name: str = "Мыши", **values: Any) -> Category:
    number = Category.objects.count() + 1
    defaults: dict[str, Any] = {
        "supplier_id": str(9000 + number),
        "left": number * 10,
        "right": number * 10 + 1,
        "level": 1,
        "path": name,
        "is_published": True,
    }
    return Category.objects.create(name=name, **{**defaults, **values})


def make_product(**values: Any) -> Product:
    number = str(70_000 + Product.objects.count())
    now = timezone.now()
    defaults: dict[str, Any] = {
        "article": number,
        "sku": number,
        "name": f"Мышь Zeta ZX-{number}",
        "brand": "Zeta",
        "cost_kzt": 5000,
        "retail_kzt": 7990,
        "stock": 10,
        "is_published": Product.Publish.YES,
        "first_seen": now,
        "last_seen": now,
    }
    product = Product.objects.create(**{**defaults, **values})
    add_words()
    return product


def make_import(*, age: timedelta = timedelta(minutes=3), **values: Any) -> ImportRun:
    at = timezone.now() - age
    defaults: dict[str, Any] = {
        "kind": ImportRun.Kind.STOCK,
        "status": ImportRun.Status.DONE,
        "started_at": at,
        "finished_at": at + timedelta(seconds=41),
        "counts": {"read": 412, "changed": 9, "bad": 0},
        "message": "412 read, 9 changed, 0 skipped",
    }
    return ImportRun.objects.create(**{**defaults, **values})


def build(now: datetime | None = None) -> BuildResult:
    with translation.override("en"):
        return build_price_list(now=now or timezone.now())


def make_version(change: Callable[[], Any] | None = None) -> FeedBuild:
    """Change something and publish it."""
    if change is not None:
        change()
    result = build()
    assert result.end == "published", result.summary
    return FeedBuild.objects.get(pk=str(result.build_pk))


def furnish(settings: Any, feed_dir: Any) -> None:
    """Fill the bridge with something of everything; names would like to be code."""
    settings.FEED_DIR = feed_dir
    now = timezone.now()
    for name in PARTS:
        Heartbeat.objects.create(name=name, host="srv", beaten_at=now)
    for part in ("web", "dispatch"):
        seen = {"since": now, "seen_at": now, "fit": "fits", "memory_bytes": 9 << 23}
        HostPart.objects.create(host="srv", part=part, **seen)
    Store.objects.create(store_id="PP1", name=HOSTILE)
    _furnish_goods(now)
    _furnish_readings(settings, now)
    _furnish_versions(now)


def _furnish_goods(now: datetime) -> None:
    top = make_category("Периферия", right=29)
    sold = make_category(HOSTILE, parent=top, level=2, path=f"Периферия / {HOSTILE}")
    unsold = make_category("Бумага", is_published=False)
    by_category = Product.Publish.CATEGORY
    make_product(name=HOSTILE, brand=HOSTILE, note=HOSTILE)
    make_product(category=sold, is_published=by_category, stock_is_lower_bound=True)
    make_product(category=unsold, is_published=by_category)
    make_product(stock=0)
    make_product(cost_kzt=None)
    make_product(accepted_price_kzt=1000)
    make_product(multiplicity=10)
    make_product(sku="two words")
    make_product(gone_at=now)
    # The migration's default rule is gone where a test before emptied all tables.
    PriceRule.objects.get_or_create(product=None, category=None, brand="")
    PriceRule.objects.create(name=HOSTILE, brand="Zeta", category=top, round_to_kzt=100)


def _furnish_readings(settings: Any, now: datetime) -> None:
    run = make_import(
        counts={"read": 412, "changed": 9, "bad": 2, "warnings": 1},
        bad_rows=[["70311", f"price1: not a number: {HOSTILE}"], HOSTILE],
    )
    make_import(
        kind=ImportRun.Kind.CATALOGUE,
        status=ImportRun.Status.FAILED,
        message=f"Al-Style: {HOSTILE} token {settings.ALSTYLE_TOKEN}",
    )
    make_import(status=ImportRun.Status.RUNNING, finished_at=None, counts={})
    product = Product.objects.order_by("pk")[0]
    changed: dict[str, Any] = {"product": product, "run": run, "changed_at": now}
    ProductChange.objects.create(field="stock", old=7, new=10, **changed)
    reason = f"Rule: {HOSTILE}\nPrice: 7 990"
    ProductChange.objects.create(
        field="price", old=7000, new=7990, reason=reason, **changed
    )


def _furnish_versions(now: datetime) -> None:
    make_version()
    version = make_version(lambda: Product.objects.update(stock=7))
    FeedBuild.objects.create(
        status=FeedBuild.Status.REFUSED,
        started_at=now,
        reason=HOSTILE,
        counts={"left_out": {"out_of_stock": 3, "no_such_reason": 1}},
        diff={"withdrawn": ["no-such-sku", HOSTILE], "price": [["x", 1, 2]]},
    )
    FeedFetch.objects.create(
        fetched_at=now, is_kaspi=True, status_code=200, build=version, bytes_sent=900
    )
    FeedFetch.objects.create(fetched_at=now, status_code=418, user_agent=HOSTILE)
