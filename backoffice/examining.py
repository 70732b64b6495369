"""What an examination is made of: the apps tell checks, the site runs them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.db import connections
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from plumbing.clocks import read_date
from plumbing.peers import PeerAccessRefused, PeerBusy, PeerConnection, PeerError
from plumbing.redaction import redact

log = logging.getLogger(__name__)

# A call of an examination must not keep a person waiting for the usual minutes.
CALL_S, PATIENCE_S = 15.0, 25.0
CLOCK_WARN, CLOCK_FAIL = timedelta(minutes=1), timedelta(minutes=5)


class State(Enum):
    """How something was found; the value is the exit status it asks for."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: how it is, and what to do."""

    code: str
    title: str
    state: State
    text: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        return {**asdict(self), "state": self.state.name.lower()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Looks at one thing; `is_live`: asks over the network and takes a while."""

    code: str
    title: str | Promise
    look: Callable[[Check], Iterable[Finding]]
    is_live: bool = False

    def ok(self, text: str) -> Finding:
        return self._finding(State.OK, text, "")

    def warn(self, text: str, *, advice: str) -> Finding:
        return self._finding(State.WARN, text, advice)

    def fail(self, text: str, *, advice: str) -> Finding:
        return self._finding(State.FAIL, text, advice)

    def _finding(self, state: State, text: str, advice: str) -> Finding:
        return Finding(
            code=self.code,
            title=str(self.title),
            state=state,
            text=redact(text),
            advice=redact(advice),
        )


def examine(checks: Sequence[Check]) -> list[Finding]:
    """Run the checks, those over the network side by side; none ends the others."""
    live = [check for check in checks if check.is_live]
    language = translation.get_language()

    def look_apart(check: Check) -> list[Finding]:
        try:
            with translation.override(language):
                return _look(check)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=max(len(live), 1)) as pool:
        under_way = {check.code: pool.submit(look_apart, check) for check in live}
        return [
            finding
            for check in checks
            for finding in (
                under_way[check.code].result() if check.is_live else _look(check)
            )
        ]


def worst(findings: Iterable[Finding]) -> State:
    """Give the worst of the states; nothing found is well."""
    states = [finding.state for finding in findings]
    return max(states, key=lambda state: state.value, default=State.OK)


def _look(check: Check) -> list[Finding]:
    try:
        return list(check.look(check))
    except Exception as error:
        log.exception("the check %s", check.code)
        text = _("The check itself failed: %(error)s: %(words)s")
        words = {"error": type(error).__name__, "words": error}
        return [check.fail(text % words, advice=_("Read the log; tell whoever knows."))]


def look_at_peer(
    check: Check,
    peer: PeerConnection,
    ask: Callable[[], str],
    *,
    setting: str,
) -> Iterator[Finding]:
    """Make one light call with a token; also compare the clocks.

    `ask` makes the call and says what it brought; `setting` holds the token.
    """
    try:
        yield check.ok(ask())
    except PeerBusy as error:
        yield check.warn(
            str(error),
            advice=_("A long reading is using the token's turns: try again later."),
        )
    except PeerAccessRefused as error:
        advice = _("Get a new token and set %(name)s; then restart the bridge.")
        yield check.fail(str(error), advice=advice % {"name": setting})
    except PeerError as error:
        advice = _("Look at the network, the proxy and the peer's own status page.")
        yield check.fail(str(error), advice=advice)
    if peer.told_time is not None:
        yield from _compare_clocks(check, *peer.told_time)


def _compare_clocks(check: Check, header: str, here: datetime) -> Iterator[Finding]:
    there = read_date(header)
    if there is None:
        return
    apart = abs(there - here)
    text = _("The clock here and the other side's are %(seconds)d s apart")
    text %= {"seconds": apart.total_seconds()}
    advice = _("Let the computer set its clock by itself (NTP).")
    if apart > CLOCK_FAIL:
        yield check.fail(text, advice=advice)
    elif apart > CLOCK_WARN:
        yield check.warn(text, advice=advice)
    else:
        yield check.ok(text)
