"""What a scanner of headers, as Mozilla's Observatory is one, finds fault with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HALF_A_YEAR_S = 15_768_000
# What shows or runs something in a browser must be named, if only by default-src.
FETCHED = ("script-src", "style-src", "object-src", "img-src", "frame-src")
UNSAFE = ("'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:", "data:", "blob:")
REFERRER = {
    *("no-referrer", "same-origin", "strict-origin"),
    "strict-origin-when-cross-origin",
}


MUST_BE = {
    "X-Content-Type-Options": {"nosniff"},
    # Else other sites learn where the reader was.
    "Referrer-Policy": REFERRER,
    # Else they may show it in a page of theirs, or hold its window.
    "Cross-Origin-Resource-Policy": {"same-origin"},
    "Cross-Origin-Opener-Policy": {"same-origin"},
    "Access-Control-Allow-Origin": {None},
}


def faults_of(answer: Any, *, is_https: bool) -> Iterator[str]:
    """Name each rule that an answer breaks."""
    headers = answer.headers
    yield from _faults_of_policy(headers.get("Content-Security-Policy", ""))
    for name, allowed in MUST_BE.items():
        if headers.get(name) not in allowed:
            yield f"{name} is {headers.get(name)}"
    for power in ("camera", "geolocation", "microphone", "payment", "usb"):
        if f"{power}=()" not in headers.get("Permissions-Policy", ""):
            yield f"a script may use {power}"
    for name in ("Server", "X-Powered-By"):
        if re.search(r"\d", headers.get(name, "")):
            yield f"{name} tells the version"
    if is_https:
        told = headers.get("Strict-Transport-Security", "")
        age = re.search(r"max-age=(\d+)", told)
        if not age or int(age[1]) < HALF_A_YEAR_S:
            yield "HTTPS is not kept to"
    for cookie in answer.cookies.values():
        yield from _faults_of_cookie(cookie, is_https=is_https)


def _faults_of_cookie(cookie: Any, *, is_https: bool) -> Iterator[str]:
    if is_https and not cookie["secure"]:
        yield f"the cookie {cookie.key} travels without HTTPS"
    if not cookie["httponly"]:
        yield f"scripts may read the cookie {cookie.key}"
    if cookie["samesite"] not in ("Lax", "Strict"):
        yield f"other sites may send the cookie {cookie.key}"


def _faults_of_policy(text: str) -> Iterator[str]:
    policy = {
        name: values
        for name, *values in (part.split() for part in text.split(";") if part.strip())
    }
    if not policy:
        yield "no Content-Security-Policy"
        return
    if policy.get("default-src") != ["'none'"]:
        yield "what is not named is not forbidden"
    for name in FETCHED:
        for source in policy.get(name, policy.get("default-src", ["*"])):
            if source in UNSAFE:
                yield f"{name} allows {source}"
    # Those have no default.
    if policy.get("base-uri") != ["'none'"] or "form-action" not in policy:
        yield "links and forms may be turned elsewhere"
    if policy.get("frame-ancestors") != ["'none'"]:
        yield "other sites may frame it"
