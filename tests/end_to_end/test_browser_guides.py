"""The guides' pictures: `SCREENSHOTS=docs/ru/img` makes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import time_machine
from django.urls import reverse

from orders.models import Order, Reason, Step
from tests.morning import NINE, furnish_morning

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]
GUIDES = Path(__file__).resolve().parents[2] / "docs" / "ru"
PASSWORD = "a-long-password"
WIDTH, HEIGHT = 1280, 720
TOLD = {"884001": "найти 3", "103702": "верно"}
SHOWN = re.compile(r"!\[[^\]]+\]\(img/([\w-]+)\.png\)")


def undecided() -> Order:
    """Find the order whose goods ran out."""
    return Step.objects.stuck().get(reason=Reason.OUT_OF_STOCK).order


PICTURES = {
    "overview": lambda: reverse("admin:index"),
    "orders": lambda: reverse("admin:orders_order_changelist") + "?tab=person",
    "order": lambda: reverse("admin:orders_order_change", args=[undecided().pk]),
    "parcels": lambda: reverse("hand_over"),
    "check": lambda: reverse("hand_over_check"),
    "products": lambda: reverse("admin:catalog_product_changelist"),
    "versions": lambda: reverse("admin:feeds_feedbuild_changelist"),
    "alerts": lambda: reverse("admin:alerts_alert_changelist"),
    "settings": lambda: reverse("owner_settings"),
    "staff": lambda: reverse("admin:auth_user_changelist"),
}


def test_each_picture_of_the_guides_is_one_that_can_be_made_anew():
    shown = {
        name
        for guide in GUIDES.glob("*.md")
        for name in SHOWN.findall(guide.read_text("utf-8"))
    }
    assert shown == set(PICTURES)
    kept = {path.stem: path.stat().st_size for path in (GUIDES / "img").glob("*.png")}
    assert set(kept) == shown
    assert max(kept.values()) < 150_000


@pytest.fixture
def morning(settings, tmp_path):
    with time_machine.travel(NINE):
        furnish_morning(settings, tmp_path / "feed", password=PASSWORD)
        yield


def test_the_pages_of_the_pictures_are_there(morning, tmp_path, live_server, chromium):
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("#id_username", "owner")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    for name, address in PICTURES.items():
        answer = page.goto(f"{live_server.url}{address()}")
        assert answer.ok, name
        if name == "check":
            for code in TOLD:
                page.fill("#code", code)
                page.press("#code", "Enter")
                page.wait_for_selector(f".verdict:has-text('{TOLD[code]}')")
        page.screenshot(path=folder / f"{name}.png")
        if name == "overview":
            # The menu is seen once; then the page gets the room.
            page.click("#toggle-nav-sidebar")
