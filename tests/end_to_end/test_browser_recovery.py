"""The page after a restore, in a real browser: seen, decided, let go on."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from orders.models import Reservation
from plumbing import epoch
from plumbing.models import Epoch
from tests.end_to_end.judging import looked_at
from tests.end_to_end.test_browser_deciding import log_in, product  # noqa: F401
from tests.orders.factories import reservation_of
from tests.orders.test_admin_recovery import ask_about, found

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
SCREENS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_state_and_the_list_fit_the_screen(
    live_server: Any,
    chromium: Any,
    product: Any,  # noqa: F811
    mark: Any,
    width: int,
    scheme: str,
) -> None:
    epoch.close(Epoch.Reason.MOVED, known_until=timezone.now())
    Epoch.objects.update(
        progress={
            "at": timezone.now().isoformat(),
            "summary": "найдено у Al-Style: 14, ждут решения: 3, точно не куплено: 2",
            "lines": ["703214588: куплен, заказ Al-Style 412001"],
        }
    )
    steps = [
        ask_about(product, 1, [found("412001", 1)]),
        ask_about(product, 2, [found("412004", 3), found("412009", 2)]),
        ask_about(product, 1),
    ]
    page = log_in(chromium, live_server.url, width=width, scheme=scheme)
    page.goto(f"{live_server.url}/admin/orders/recovery/")
    assert page.locator(".banner.guard").count() == 1
    looked_at(page, "recovery")
    page.check(f'input[name="step"][value="{steps[2].pk}"]')
    page.click('button[value="cared"]')
    page.click("form.confirm .action.main")
    reservation = reservation_of(steps[2].order)
    assert reservation.status == Reservation.Status.BY_HAND
