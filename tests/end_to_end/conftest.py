"""What the browser tests share: pages in browsers of their own, signed in or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import pytest
from django.urls import reverse


@pytest.fixture
def browse(chromium: Any, bridge: str) -> Iterator[Callable[..., Any]]:
    """Open the sign-in page of `bridge` in a browser of its own."""
    opened = []

    def open_page(
        *, width: int = 1440, dark: bool = False, locale: str = "ru-RU"
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            locale=locale,
            color_scheme="dark" if dark else "light",
        )
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto(urljoin(bridge, reverse("admin:index")))
        return page

    yield open_page
    for context in opened:
        context.close()


@pytest.fixture
def open_as(browse: Callable[..., Any], bridge: str) -> Callable[..., Any]:
    """Give the overview of somebody who typed name and password."""

    def log_in(name: str, password: str = "a-long-password", **screen: Any) -> Any:
        page = browse(**screen)
        page.fill("#id_username", name)
        page.fill("#id_password", password)
        page.keyboard.press("Enter")
        page.wait_for_url(urljoin(bridge, reverse("admin:index")))
        return page

    return log_in
