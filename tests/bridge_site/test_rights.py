"""Every address × role × method: no failure, and nothing for who has no right to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client, RequestFactory
from django.test.client import ClientHandler
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from bridge_site.roles import ROLES, set_staff
from catalog.models import CommissionRate, PriceRule, Product, ProductChange
from feeds.models import Proposal
from orders.admin.buttons import (
    LINE_BUTTONS,
    ORDER_BUTTONS,
    PURCHASE_BUTTONS,
    STEP_BUTTONS,
)
from orders.models import (
    Buyer,
    BuyerRequest,
    Order,
    ParcelCheck,
    SkuMapping,
    Waybill,
)
from tests.full_house import furnish_house
from tests.rights import (
    LEADING_ON,
    PACKERS_BUTTONS,
    PAGES,
    TABLES,
    Rule,
    rule_of,
    rule_of_button,
)

pytestmark = [pytest.mark.once, pytest.mark.django_db]
LETTERS = {"viewer": "v", "packer": "p", "operator": "o", "owner": "w"}
BUTTONS = {
    "act_on_order": ORDER_BUTTONS,
    "act_on_step": STEP_BUTTONS,
    "act_on_line": LINE_BUTTONS,
    "act_on_purchase": PURCHASE_BUTTONS,
}
# Whose row an address names, where it does not say so itself.
ROWS = {
    "act_on_step": "orders.step",
    "act_on_line": "orders.orderline",
    "order_waybill": "orders.waybill",
    "hand_over_assemble": "orders.order",
    "about_buyer": "orders.order",
    # A change that nobody has made leads back all the same.
    "owner_settings_back": "",
}
PARTS = {"name": "operator", "kind": "stock", "token": "abc", "app_label": "orders"}
BUYER, PHONE = "Тайный Покупатель", "+77010000001"
# Looks from threads at a database that the walk holds; it has tests of its own.
LONG = {"doctor"}


@dataclass(frozen=True)
class Address:
    """One way to call a view: what it is called, where, and who may."""

    name: str
    url: str
    rule: Rule


def patterns(
    of: Any = None, before: str = "", space: str = ""
) -> Iterator[tuple[str, str]]:
    """List every view: its name, or its route when it has none, and the route."""
    for each in (of or get_resolver()).url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from patterns(each, route)
        else:
            yield name_of(each, route), route


def name_of(pattern: Any, route: str) -> str:
    if pattern.name:
        return str(pattern.name)
    view = getattr(pattern.callback, "__name__", "")
    return {"": "/", "admin/": view}.get(route, route)


def test_every_view_has_a_rule_and_every_rule_a_view():
    names = {name for name, _route in patterns() if not is_leading_on(name)}
    unruled = {n for n in names if n not in BUTTONS and rule_of(n) is None}
    assert not unruled, "say in tests/rights.py who may: " + ", ".join(sorted(unruled))
    known = {rule for model, table in TABLES.items() for rule in table.rules(model)}
    assert {*known, *PAGES, *BUTTONS} - names == set()
    for name, slugs in PACKERS_BUTTONS.items():
        assert slugs <= set(BUTTONS[name])


def is_leading_on(name: str) -> bool:
    return name in LEADING_ON or name.endswith("/<path:object_id>/")


def add_what_the_house_lacks() -> None:
    now = timezone.now()
    order, product = Order.objects.earliest("pk"), Product.objects.earliest("pk")
    Buyer.objects.all().delete()
    for each in Order.objects.all():
        Buyer.objects.create(order=each, name=BUYER, phone=PHONE, address="Тайная 1")
    Waybill.objects.create(order=order, number="W1", pdf=b"%PDF-1.4", fetched_at=now)
    ParcelCheck.objects.create(
        order=order, label="1", checked_by="packer", started_at=now
    )
    SkuMapping.objects.create(sku="XX", product=product, noted_at=now, noted_by="x")
    ProductChange.objects.create(
        product=product, field=ProductChange.Field.choices[0][0], changed_at=now
    )
    BuyerRequest.objects.create(
        kind=BuyerRequest.Kind.choices[0][0], done_at=now, done_by="owner", orders=[]
    )
    Proposal.objects.create(
        table=Proposal.Table.STORES,
        title="—",
        author=User.objects.get(username="operator"),
        made_at=now,
    )
    for rule in (*PriceRule.objects.all(), *CommissionRate.objects.all()):
        rule.save()


def addresses() -> Iterator[Address]:
    for name, route in patterns():
        if is_leading_on(name):
            continue
        if name in BUTTONS:
            for slug in BUTTONS[name]:
                url = filled(name, route.replace("<slug:slug>", slug))
                yield Address(name, url, rule_of_button(name, slug))
        else:
            yield Address(name, filled(name, route), rule_of(name) or Rule(None, None))


def filled(name: str, route: str) -> str:
    """Put a row that is there into a route."""
    found = re.match(r"admin/(\w+)/(\w+)/", route)
    label = ROWS.get(name, f"{found[1]}.{found[2]}" if found else "")
    row: Any = None
    if "pk>" in route or "object_id>" in route:
        if label:
            row = apps.get_model(label).objects.order_by("pk").first()
            assert row is not None, f"{name}: the house has no {label}"
        key = str(row.pk) if row else "1"
        route = re.sub(r"<\w+:(pk|object_id)>", key, route)
    if "history_pk" in route:
        route = route.replace("<int:history_pk>", str(row.history.first().pk))
    for part, value in PARTS.items():
        route = re.sub(rf"<\w+:{part}>|\(\?P<{part}>[^)]*\)", value, route)
    return "/" + re.sub(r"[\^$]", "", route)


@dataclass(frozen=True)
class Answer:
    """What came back: the status, where it leads and what it says."""

    method: str
    status: int
    leads_to: str
    body: str


class Walker:
    """Asks without the test client's notes on templates, and leaves nothing behind."""

    def __init__(self) -> None:
        self._handler = ClientHandler(enforce_csrf_checks=False)
        self._requests = RequestFactory()
        self._sessions: dict[str, str] = {}

    def sign_in(self, role: str) -> None:
        client = Client()
        client.force_login(User.objects.get(username=role))
        self._sessions[role] = client.cookies["sessionid"].value

    def ask(self, role: str, method: str, url: str) -> Answer:
        environ = self._requests.generic(
            method,
            url,
            content_type="application/x-www-form-urlencoded",
            headers={"Cookie": f"sessionid={self._sessions.get(role, '')}"},
        ).environ
        with transaction.atomic():
            answer: Any = self._handler(environ)
            body = answer.getvalue()
            transaction.set_rollback(True)
        leads_to = answer.headers.get("Location", "")
        return Answer(
            method, answer.status_code, leads_to, body.decode("utf-8", "replace")
        )


def is_right(answer: Answer, *, rule: Rule, roles: str | None, role: str) -> bool:
    """Tell whether an answer is as it should be."""
    leads_to_login = "/login/" in answer.leads_to
    if not role and not rule.is_open:
        # Strangers learn nothing but where to sign in.
        return leads_to_login
    if roles is None:
        return answer.status in (403, 405)
    if LETTERS.get(role, "v") not in roles:
        return answer.status in (403, 404)
    if rule.is_button and answer.status == 403:
        return answer.method == "GET"
    # 405: signing out is a button, if one that is open to all.
    return answer.status in (200, 302, 405, 503) and not leads_to_login


@pytest.fixture
def walker(settings, alstyle, kaspi, tmp_path):
    furnish_house(settings, alstyle, tmp_path / "feed")
    for role in ROLES:
        set_staff(role, role=role, password="a-long-password")
    add_what_the_house_lacks()
    made = Walker()
    for role in ROLES:
        made.sign_in(role)
    return made


def test_nobody_gets_or_does_what_is_not_his(walker):
    assert set(LETTERS) == set(ROLES)
    wrong = []
    for address in addresses():
        rule = address.rule
        for role in ("", *ROLES):
            for method, roles in (("GET", rule.get), ("POST", rule.post)):
                if address.name in LONG and method == "POST" and role == "owner":
                    continue
                answer = walker.ask(role, method, address.url)
                asked = f"{method} {address.url} by {role or 'a stranger'}"
                if not is_right(answer, rule=rule, roles=roles, role=role):
                    wrong.append(f"{asked}: {answer.status} {answer.leads_to}")
                knows = role in ("operator", "owner")
                if not knows and (BUYER in answer.body or PHONE in answer.body):
                    wrong.append(f"{asked} shows the buyer")
    assert not wrong, "\n".join(wrong)


def test_other_methods_are_turned_away_everywhere(walker):
    for address in addresses():
        for method in ("PUT", "DELETE", "OPTIONS"):
            answer = walker.ask("owner", method, address.url)
            assert (answer.status, answer.body) == (405, ""), (method, address.url)
