"""Judges a page that is open, on each screen: does it fit, and does axe-core agree?

A page is loaded once; its window is narrowed and its colours are changed under it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe

WIDE, NARROW = 1440, 390
# Every rule, the "best practices" included.
ALL_RULES: dict[str, Any] = {"resultTypes": ["violations"]}
# axe-core fetches the style sheets anew, to find in them what shows a page only to who
# holds the screen upright; and pages too, for it misreads where a sheet leads. Those
# that were judged once are the same on other pages.
KNOWN_SHEETS = {"preload": False}
# What another colour scheme can break: the document is the same.
COLOURS: dict[str, Any] = {
    **ALL_RULES,
    "runOnly": ["color-contrast", "link-in-text-block"],
}
# In an order in which one thing at a time is changed.
SCREENS = (
    (WIDE, "light", ALL_RULES),
    (WIDE, "dark", COLOURS),
    (NARROW, "dark", COLOURS),
    (NARROW, "light", ALL_RULES),
)
SHEETS = """
[...document.styleSheets].map(s => `${s.href}`.replace(location.origin, "")).join()
"""
# What follows a change of the screen is drawn when the frame after the next begins.
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Only what is wrong comes back: what axe-core has found in order is far longer.
RUN = """async ([within, rules]) => {
    const { violations } = await axe.run(within || document, rules);
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => [id, html]));
}"""
# For pages that ask for themselves anew every few seconds: it would take the place of
# the page that is asked for next (net::ERR_ABORTED).
STAY = "window.setInterval = () => 0"
_axe = Axe()
_known_sheets: set[str] = set()


def new_page(browser: Any) -> Any:
    """Open a page that stays what it is until it is led on."""
    context = browser.new_context(
        viewport={"width": WIDE, "height": 900},
        color_scheme="light",
        reduced_motion="reduce",
        locale="ru-RU",
    )
    context.add_init_script(STAY)
    return context.new_page()


def follow(link: Any) -> None:
    """Click on what leads to another page; returns when that is there.

    A click returns before, and what comes next would judge the page that is left, or
    one that is still empty.
    """
    with link.page.expect_navigation():
        link.click()


def looked_at(page: Any, name: str) -> None:
    """Find nothing wrong with the open page as it is shown; keep its picture."""
    width = page.viewport_size["width"]
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    keep_picture(page, f"{name}-{width}-{'dark' if is_dark else 'light'}")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"{name} is {wide} px wide"
    found = _axe.run(page).response["violations"]
    told = [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found]
    assert told == [], name


def problems_of(
    page: Any, name: str, *, within: str = "", screens: Sequence[Any] = SCREENS
) -> Iterator[str]:
    """Name what is wrong with the open page on each screen, or with a part of it."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(_axe.axe_script)
    sheets = page.evaluate(SHEETS)
    shown = ""
    for width, scheme, rules in screens:
        if page.viewport_size["width"] != width:
            page.set_viewport_size({"width": width, "height": 900})
        if shown != scheme:
            # Else colours are judged on their way from one to the other.
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            shown = scheme
        page.evaluate(DRAWN)
        keep_picture(page, f"{name}-{width}-{scheme}", within=within)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            yield f"{name} {width} {scheme}: {wide} px wide"
        if within or sheets in _known_sheets:
            rules = {**rules, **KNOWN_SHEETS}
        elif "runOnly" not in rules:
            _known_sheets.add(sheets)
        for rule, html in page.evaluate(RUN, [within, rules]):
            yield f"{name} {width} {scheme}: {rule}: {html[:160]}"
    page.set_viewport_size({"width": WIDE, "height": 900})


def keep_picture(page: Any, name: str, *, within: str = "") -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        path = Path(folder) / f"{re.sub(r'[^а-яёa-z0-9]+', '-', name.lower())}.png"
        page.screenshot(path=path, full_page=True)
        if within:
            page.locator(within).first.screenshot(path=path.with_stem(f"{path.stem}-1"))
