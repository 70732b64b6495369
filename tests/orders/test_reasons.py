"""The table of reasons: every code in it, every way out a button that fits."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from orders.admin.buttons import (
    LINE_BUTTONS,
    ORDER_BUTTONS,
    PURCHASE_BUTTONS,
    STEP_BUTTONS,
    OrderButton,
)
from orders.admin.buttons.pressing import Effect
from orders.admin.full_order import load_full_order
from orders.admin.reasons import CURES
from orders.kaspi.client import open_client
from orders.models import Finding, Order, Reason, Step
from orders.plan import actions
from orders.plan.wanting import want_step
from orders.reading.polling import poll_orders
from tests.orders.factories import (
    articles_of_plenty,
    make_order,
    make_product,
    product_of,
    reservation_of,
    step_of,
)
from tests.orders.stuck import hold, not_bought, states_of, stuck_with
from tests.staff import log_in, make_category, make_import, page, queued

ORDERS = Path(__file__).resolve().parents[2] / "orders"
BUTTONS: list[tuple[str, OrderButton]] = [
    (f"{kind}:{button.slug}", button)
    for kind, some in (
        ("order", ORDER_BUTTONS),
        ("step", STEP_BUTTONS),
        ("line", LINE_BUTTONS),
        ("purchase", PURCHASE_BUTTONS),
    )
    for button in some.values()
]
EVERYTHING: Any = SimpleNamespace(user=SimpleNamespace(has_perm=lambda name: True))


@pytest.fixture
def product(db):
    return make_product("70311", name="Чайник")


def named_reasons() -> Iterator[str]:
    """Give the reasons that the code names, the table itself left out."""
    for path in ORDERS.rglob("*.py"):
        place = path.relative_to(ORDERS).as_posix()
        if place.startswith(("admin/reasons/", "migrations/")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "Reason"
                and node.attr.isupper()
            ):
                yield node.attr


def test_every_reason_raised_is_in_the_table_and_the_other_way_round():
    raised = {Reason[name] for name in named_reasons()}
    raised |= {Reason(kind) for kind in Finding.Kind.values}
    assert raised == set(Reason) == set(CURES)


def test_every_refusal_has_its_reason():
    assert set(Step.REFUSED_AS) == set(Step.Kind)


def test_a_step_without_a_reason_has_the_general_one():
    assert Step(reason="").stuck_for == Reason.OTHER
    assert Step(reason="of a version to come").stuck_for == Reason.OTHER


@pytest.mark.parametrize("reason", Reason)
def test_every_entry_speaks_russian(reason):
    cure = CURES[reason]
    with translation.override("ru"):
        texts = [str(reason.label), str(cure.means)]
        for way in cure.ways:
            # A button that says what comes of it needs no more words.
            texts += [str(way.button.label), str(way.then or way.button.text)]
    for text in texts:
        assert re.search("[а-яё]", text), text


@pytest.mark.parametrize("reason", [r for r in Reason if r != Reason.NOT_TAKEN_IN])
def test_every_way_out_is_a_button_that_fits(product, reason):
    states = states_of(reason, product)
    ways = {way.code for way in CURES[reason].ways}
    fitting = set()
    for order, step in states:
        full = load_full_order(Order.objects.get(pk=order.pk))
        assert step.is_stuck
        offered = list(CURES[reason].offered(EVERYTHING, full, step))
        assert offered, f"no way out of {step}"
        fitting |= {way.code for way, _target in offered}
    assert fitting == ways


@pytest.mark.parametrize("button", dict(BUTTONS).values(), ids=dict(BUTTONS))
def test_what_buys_or_cancels_asks_first_and_says_what_comes_of_it(button):
    if button.effect != Effect.NONE:
        assert button.form is not None
    if button.form is not None:
        assert button.text or button.form.base_fields


def test_a_shortage_recommends_no_retry(settings, product):
    operator = log_in(settings, "operator", language="ru")
    order, _step = not_bought(Reason.OUT_OF_STOCK, product)
    product.stock = 0
    product.save()
    html = page(operator, reverse("admin:orders_order_change", args=[order.pk]))
    main = html.split('class="decide-main"')[1].split("</div>")[0]
    assert "Отменить заказ" in main
    assert "идёт магазину в минус" in html
    product.stock = 5
    product.save()
    html = page(operator, reverse("admin:orders_order_change", args=[order.pk]))
    main = html.split('class="decide-main"')[1].split("</div>")[0]
    assert "Зарезервировать ещё раз" in main


def test_trying_a_shortage_again_asks_first(settings, product):
    operator = log_in(settings, "operator")
    order, step = not_bought(Reason.OUT_OF_STOCK, product)
    url = reverse("admin:act_on_step", args=[step.pk, "buy-again"])
    assert "this buys them" in page(operator, url)
    step.refresh_from_db()
    assert step.status == Step.Status.REFUSED
    operator.post(url)
    assert step_of(order).status == Step.Status.PENDING
    # The plain "again" is none for it.
    plain = reverse("admin:act_on_step", args=[step_of(order).pk, "retry"])
    assert "not possible" in str(operator.post(plain, follow=True).content)


def test_goods_that_al_style_has_shipped_are_not_reserved_again(settings, product):
    operator = log_in(settings, "operator")
    order, _step = stuck_with(Reason.ASSEMBLE_REFUSED, product, Step.Kind.ASSEMBLE)
    reservation = reservation_of(order)
    reservation.status = "shipped"
    reservation.save()
    response = operator.get(reverse("admin:orders_order_change", args=[order.pk]))
    offered = str(response.content)
    assert "/do/reserve/" not in offered
    assert "/do/by-hand/" not in offered


def test_goods_on_their_way_to_the_buyer_are_not_released(settings, product):
    operator = log_in(settings, "operator")
    order, _step = stuck_with(Reason.ASSEMBLE_REFUSED, product, Step.Kind.ASSEMBLE)
    url = "/do/release/"
    shown = reverse("admin:orders_order_change", args=[order.pk])
    assert url in page(operator, shown)
    Order.objects.filter(pk=order.pk).update(handed_over_at=timezone.now())
    assert url not in page(operator, shown)


def test_the_figures_are_read_anew_on_wish(settings, product):
    operator = log_in(settings, "operator")
    order, _step = not_bought(Reason.OUT_OF_STOCK, product)
    url = reverse("admin:act_on_order", args=[order.pk, "figures"])
    assert url in page(operator, reverse("admin:orders_order_change", args=[order.pk]))
    operator.post(url)
    assert queued() == ["catalog.tasks.sync_stock"]


def test_a_viewer_is_told_and_offered_nothing(settings, product):
    viewer = log_in(settings, "viewer")
    order, step = not_bought(Reason.OUT_OF_STOCK, product)
    html = page(viewer, reverse("admin:orders_order_change", args=[order.pk]))
    assert "Al-Style has too little of the goods" in html
    assert f"/step/{step.pk}/" not in html


def test_the_card_shows_figures_with_their_moment_and_similar_goods(settings, product):
    operator = log_in(settings, "operator")
    category = make_category("Чайники")
    make_import()
    product.stock, product.category, product.brand = 0, category, "Zeta"
    product.save()
    make_product("70312", name="Чайник-2", category=category, price_kzt=2100)
    make_product("70313", name="Далёкий", price_kzt=2100)
    make_product("70314", name="Нет его", category=category, price_kzt=2, stock=0)
    order, _step = not_bought(Reason.OUT_OF_STOCK, product)
    html = page(operator, reverse("admin:orders_order_change", args=[order.pk]))
    card = html.split('class="card decide')[1].split("</section>")[0]
    assert "minutes ago" in card
    assert "Чайник-2" in card
    assert "Далёкий" not in card
    assert "Нет его" not in card
    assert f"https://kaspi.kz/mc/#/orders/{order.code}" in card


# -- kept on the step, whatever made it stuck ----------------------------------------


def plain_good(supplier):
    return supplier.goods[articles_of_plenty(supplier)[0]]


@pytest.mark.django_db
def test_a_shortage_is_called_so_until_the_goods_are_there(supplier, process, settings):
    settings.AUTO_ACCEPT = False
    good = plain_good(supplier)
    order = make_order((product_of(supplier, good.article), 2))
    supplier.set_good(good.article, quantity=1)
    for how, reason in (
        ("clamp", Reason.OUT_OF_STOCK),
        ("silent", Reason.NOT_TAKEN),
    ):
        supplier.change_settings(add_refusal=how)
        process()
        step = step_of(order)
        assert (step.status, step.reason) == (Step.Status.REFUSED, reason)
        actions.retry_step(step, actor="anna")
    supplier.set_good(good.article, quantity=30)
    process()
    step = step_of(order)
    assert (step.status, step.reason) == (Step.Status.DONE, "")


@pytest.mark.django_db
def test_a_loss_is_called_so(supplier, process):
    good = plain_good(supplier)
    order = make_order((product_of(supplier, good.article), 1))
    order.lines.update(price_kzt=1)
    process()
    step = step_of(order)
    assert step.stuck_for == Reason.LOSES_MONEY
    assert step.waits_for_price


@pytest.mark.django_db
def test_what_kaspi_refuses_is_called_by_what_was_asked(kaspi, process, product):
    order = make_order((product, 1))
    hold(order)
    now = timezone.now()
    want_step(order, Step.Kind.CANCEL, now=now, parameters={"reason": "FOR_FUN"})
    process()
    step = step_of(order, Step.Kind.CANCEL)
    assert (step.status, step.reason) == (Step.Status.REFUSED, Reason.CANCEL_REFUSED)


@pytest.mark.django_db
def test_an_order_with_an_unknown_sku_comes_in_with_its_reason(kaspi):
    kaspi.new_order([{"sku": "XX-999"}])
    with open_client() as client:
        poll_orders(client, now=timezone.now())
    step = Step.objects.get(order__lines__sku="XX-999")
    assert step.reason == Reason.UNKNOWN_SKU
