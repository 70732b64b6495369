"""What a change of settings does to the price list is shown before it is saved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as live
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge_site.adjusting.saving import save_settings
from catalog.models import PriceRule, Product
from feeds.foreseeing import Edits, foresee
from feeds.models import Listing
from feeds.publishing import Override, build_price_list
from plumbing.adjusting import settled, supposing
from plumbing.models import AdjustedSetting
from tests.bridge_site.test_adjusting import CONFIRMING, URL, as_shown, somebody
from tests.feeds.making import make_import, make_product, make_store
from tests.staff import log_in, messages_of, page, queued

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(settings: Any) -> Client:
    return log_in(settings, "owner")


@pytest.fixture
def shop(settings: Any, tmp_path: Any) -> None:
    """Sell ten goods: of five there is one piece, of the others fifty."""
    settings.FEED_DIR = tmp_path / "feed"
    make_import()
    make_store()
    PriceRule.objects.all().delete()
    PriceRule.objects.create(
        name="all", base="cost", markup_percent=20, commission_percent=0
    )
    for number in range(10):
        make_product(
            sku=f"S{number}",
            stock=1 if number < 5 else 50,
            cost_kzt=1000,
            price_kzt=None,
            accepted_price_kzt=None,
        )
    build()


def build() -> None:
    with settled(anew=True):
        meant = Override(reason="meant", actor="aigul")
        build_price_list(now=timezone.now(), override=meant)


def ask(owner: Client, **values: Any) -> Any:
    data = as_shown(page(owner, reverse(URL)))
    return owner.post(reverse(URL), {**data, **values})


def figures(answer: Any) -> dict[str, str]:
    shown = answer.context["figures"]
    return {str(words): str(number) for number, words, _tone in shown}


def on_sale() -> dict[str, int]:
    return dict(Listing.objects.on_sale().values_list("sku", "stock_count"))


def foreseen(**values: Any) -> dict[str, int]:
    effects = foresee(Edits(settings=values), now=timezone.now()).effects
    return {effect.sku: effect.after.units for effect in effects}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LEAST_STOCK_TO_LIST", 2, {"off sale": "5"}),
        ("STOCK_CAP", 20, {"another stock": "5"}),
        ("STOCK_CAP", 60, {}),
    ],
)
def test_what_is_foreseen_is_what_saving_brings(owner, shop, name, value, said):
    before = on_sale()
    shown = ask(owner, **{name: str(value)})
    assert figures(shown) == said
    told = foreseen(**{name: value})
    assert on_sale() == before
    data = as_shown(shown.content.decode(), CONFIRMING)
    owner.post(reverse(URL), {**data, "sure": "on"})
    assert queued() == ["feeds.tasks.build_feed"]
    build()
    after = {sku: on_sale().get(sku, 0) for sku in before}
    assert {sku: n for sku, n in after.items() if n != before[sku]} == told


def test_what_takes_many_goods_off_sale_must_be_ticked_as_meant(owner, shop):
    shown = ask(owner, LEAST_STOCK_TO_LIST="2")
    assert "Is this meant?" in shown.content.decode()
    data = as_shown(shown.content.decode(), CONFIRMING)
    assert "sure" not in data
    again = owner.post(reverse(URL), data)
    assert "Tick that you mean it" in again.content.decode()
    assert not AdjustedSetting.objects.exists()
    saved = owner.post(reverse(URL), {**data, "sure": "on"}, follow=True)
    assert "1 setting was changed" in messages_of(saved)


def test_what_was_not_shown_is_not_saved(owner, shop):
    shown = ask(owner, STOCK_CAP="20")
    data = as_shown(shown.content.decode(), CONFIRMING)
    PriceRule.objects.update(markup_percent=30)
    again = owner.post(reverse(URL), data)
    assert "Look once more" in again.content.decode()
    assert not AdjustedSetting.objects.exists()
    owner.post(reverse(URL), {**data, "seal": ""})
    assert not AdjustedSetting.objects.exists()


def test_putting_a_setting_back_shows_the_effect_as_well(owner, shop):
    save_settings({"LEAST_STOCK_TO_LIST": "2"}, by=somebody())
    build()
    row = AdjustedSetting.history.get()
    url = reverse("owner_settings_back", args=[row.pk])
    shown = owner.post(url)
    assert figures(shown) == {"onto sale": "5"}
    assert AdjustedSetting.objects.exists()
    owner.post(url, as_shown(shown.content.decode(), CONFIRMING))
    assert not AdjustedSetting.objects.exists()


def test_a_greater_fall_that_is_let_through_is_foreseen(shop):
    Product.objects.filter(sku="S9").update(accepted_price_kzt=3000)
    assert not foreseen(PRICE_JUMP_PERCENT=40)
    assert foreseen(PRICE_JUMP_PERCENT=90) == {"S9": 50}


def test_figures_that_would_be_too_old_take_all_off_sale(shop):
    soon = timezone.now() + timedelta(minutes=90)
    found = foresee(Edits(settings={"STOCK_STALE_AFTER_MIN": 60}), now=soon)
    assert found.counts["off_sale"] == 10


def test_a_supposed_value_counts_in_the_block_alone(db):
    assert live.STOCK_CAP == 500
    with supposing({"STOCK_CAP": 7}):
        assert live.STOCK_CAP == 7
    assert live.STOCK_CAP == 500


def test_what_the_list_does_not_depend_on_is_confirmed_as_ever(owner, shop):
    shown = ask(owner, ORDERS_SILENT_DAYS="5")
    assert "figures" not in shown.context
    owner.post(reverse(URL), as_shown(shown.content.decode(), CONFIRMING))
    assert AdjustedSetting.objects.get().value == "5"
