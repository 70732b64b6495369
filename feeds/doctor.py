"""What an examination looks at of the price list, above all as Kaspi fetches it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.examining import CALL_S, Check, Finding, State, worst
from backoffice.formatting import ago
from feeds import files
from feeds.fetching import can_tell_kaspi
from feeds.models import TEST_AGENT, FeedBuild, FeedFetch
from feeds.needs import FETCH_LATE
from plumbing.call_deadlines import DeadlineAdapter, call_deadline
from plumbing.leases import database_now

PATH = f"/{files.FILE_NAME}"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def public_address() -> str:
    """Tell where the list is fetched from outside, or "" when nobody has said."""
    base = settings.PUBLIC_URL or next(iter(settings.CSRF_TRUSTED_ORIGINS), "")
    return f"{base.rstrip('/')}{PATH}" if base else ""


def look_at_public_address(check: Check) -> Iterator[Finding]:
    """Fetch the list under its public address, as Kaspi does."""
    url = public_address()
    if not url:
        yield check.warn(
            _("The site's address from outside is not known"),
            advice=_("Enter it in Settings (PUBLIC_URL): https://…"),
        )
        return
    if not files.live_path().exists():
        yield check.warn(
            _("There is no price list yet"),
            advice=_("Add a point of sale, choose categories, build the list."),
        )
        return
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        yield check.warn(
            _("%(url)s is not https: the login travels readable") % {"url": url},
            advice=_("Set up a certificate: deploy/nginx.conf shows how."),
        )
    login = (settings.FEED_USER, settings.FEED_PASSWORD) if settings.FEED_USER else None
    try:
        findings = list(_fetch(check, url, login=login))
        yield from findings
        if login and worst(findings) == State.OK:
            yield from _fetch_without_login(check, url)
    except (requests.RequestException, OSError) as error:
        # Its own words would repeat the whole address.
        text = _("%(url)s cannot be fetched: %(error)s")
        advice = _("Try it in a browser from another network; see name, port, proxy.")
        name = type(error).__name__
        yield check.fail(text % {"url": url, "error": name}, advice=advice)


def _fetch(
    check: Check, url: str, *, login: tuple[str, str] | None
) -> Iterator[Finding]:
    status, digest, leads_to = _get(url, login=login)
    told = {"url": url, "status": status, "to": leads_to}
    if leads_to:
        text = _("%(url)s redirects to %(to)s: Kaspi does not follow")
        advice = _("Give Kaspi, and PUBLIC_URL, the address that answers by itself.")
        yield check.fail(text % told, advice=advice)
    elif status != 200:
        text = _("%(url)s answers %(status)d instead of the list")
        by_status = {
            401: _("The web server in front asks for another login than FEED_USER."),
            403: _("The web server in front bars the way."),
            404: _("The web server in front does not pass this address on."),
            502: _("The web server in front does not reach the bridge."),
            503: _("The bridge that answered there has no list: FEED_DIR is shared?"),
        }
        other = _("Look into the web server's log.")
        yield check.fail(text % told, advice=by_status.get(status, other))
    elif digest not in _own_digests():
        yield check.fail(
            _("%(url)s gives another list than the one in force") % told,
            advice=_(
                "Something caches it, or another bridge answers: FEED_DIR, proxy."
            ),
        )
    else:
        yield check.ok(_("%(url)s gives the list in force") % told)


def _fetch_without_login(check: Check, url: str) -> Iterator[Finding]:
    status, _digest, _leads_to = _get(url, login=None, agent=f"{TEST_AGENT}-no-login")
    if status != 401:
        text = _("Without the login %(url)s answers %(status)d instead of 401")
        yield check.warn(
            text % {"url": url, "status": status},
            advice=_("The web server in front does not ask for it: anybody may read."),
        )


def _get(
    url: str, *, login: tuple[str, str] | None, agent: str = TEST_AGENT
) -> tuple[int, str, str]:
    """Fetch once; gives the status, the body's digest, and where it redirects."""
    digest = hashlib.sha256()
    with requests.Session() as session, call_deadline(2 * CALL_S):
        # Only what the owner configures counts, as for the peers.
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter())
        with session.get(
            url,
            auth=login,
            headers={"User-Agent": agent},
            timeout=CALL_S,
            allow_redirects=False,
            stream=True,
        ) as response:
            for chunk in response.iter_content(1 << 16):
                digest.update(chunk)
            leads_to = response.headers.get("Location", "")
            return response.status_code, digest.hexdigest(), leads_to


def _own_digests() -> set[str]:
    """Give the digests of the list as it is now, and of the version in force.

    The two differ for a moment while a new one is being published.
    """
    digest = hashlib.sha256()
    with files.live_path().open("rb") as file:
        while chunk := file.read(1 << 16):
            digest.update(chunk)
    live = FeedBuild.objects.live().first()
    return {digest.hexdigest(), live.sha256 if live else ""}


def look_at_fetches(check: Check) -> Iterator[Finding]:
    """See whether Kaspi fetches the list."""
    if not can_tell_kaspi():
        yield check.warn(
            _("Whether it is Kaspi that fetches the list cannot be told"),
            advice=_("Set FEED_USER and FEED_PASSWORD, here and in Kaspi's cabinet."),
        )
        return
    fetches = FeedFetch.objects.by_kaspi().successful()
    last = fetches.order_by("-fetched_at").first()
    if last is None:
        yield check.warn(
            _("Kaspi has never fetched the list"),
            advice=_("Enter its address and login in Kaspi's cabinet."),
        )
        return
    now = database_now()
    text = _("Kaspi fetched the list %(since)s") % {
        "since": ago(last.fetched_at, now=now)
    }
    if now - last.fetched_at > FETCH_LATE:
        advice = _("It should each hour: check the address in Kaspi's cabinet.")
        yield check.fail(text, advice=advice)
    else:
        yield check.ok(text)


CHECKS = (
    Check(
        code="public-list",
        title=gettext_lazy("Price list from outside"),
        look=look_at_public_address,
        is_live=True,
    ),
    Check(code="fetches", title=gettext_lazy("Kaspi's fetches"), look=look_at_fetches),
)
