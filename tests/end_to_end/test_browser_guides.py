"""The guides' pictures: `SCREENSHOTS=docs/ru/img` makes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from django.urls import reverse

from orders.models import Order, Step
from tests.full_house import furnish_house, sign_in
from tests.orders.factories import make_product
from tests.orders.parcels import make_parcel

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]
GUIDES = Path(__file__).resolve().parents[2] / "docs" / "ru"
PASSWORD = "a-long-password"
WIDTH, HEIGHT = 1280, 720
TOLD = {"884001": "найти 3", "103704": "верно"}
SHOWN = re.compile(r"!\[[^\]]+\]\(img/([\w-]+)\.png\)")


def undecided() -> Order:
    """Find an order whose goods could not be bought."""
    stuck = Step.objects.stuck().filter(order__lines__isnull=False)
    return stuck.filter(kind=Step.Kind.RESERVE).earliest("pk").order


def furnish_parcels():
    """Make the parcels of a morning."""
    mouse = make_product("103704", name="Мышь беспроводная, чёрная")
    kettle = make_product("98120", name="Чайник электрический")
    make_parcel((mouse, 2), (kettle, 1), waybill="884001")
    make_parcel((kettle, 1), waybill="884002")


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


def test_the_pages_of_the_pictures_are_there(
    settings, alstyle, tmp_path, live_server, chromium
):
    furnish_house(settings, alstyle, tmp_path / "feed")
    furnish_parcels()
    sign_in("owner", PASSWORD)
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
            for code in ("884001", "103704"):
                page.fill("#code", code)
                page.press("#code", "Enter")
                page.wait_for_selector(f".verdict:has-text('{TOLD[code]}')")
        page.screenshot(path=folder / f"{name}.png")
        if name == "overview":
            # The menu is seen once; then the page gets the room.
            page.click("#toggle-nav-sidebar")
