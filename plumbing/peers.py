"""The one seam through which HTTP to a peer goes."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from urllib3.util.retry import Retry

from plumbing import epoch
from plumbing.call_deadlines import DeadlineAdapter, call_deadline
from plumbing.calls import CallJournal, method_of
from plumbing.clocks import PEER_TIMES, read_date
from plumbing.json_parts import PartTooLarge, decode, decode_parts
from plumbing.limits import ClockBusy, Priority, TokenClock
from plumbing.models import Failure
from plumbing.redaction import redact

log = logging.getLogger(__name__)

# What one answer may be; a catalogue names a larger limit, a file a smaller one.
MAX_BODY_BYTES = 16 * 1024 * 1024
# Of JSON: small parts take fifty times their text in memory. A million goods have a
# million maps and six million values.
MAX_CONTAINERS, MAX_VALUES = 1_500_000, 10_000_000
MAX_REDIRECTS = 3
CONNECT_TIMEOUT_S = 15
RETRIED_STATUSES = (500, 502, 503, 504)
THROTTLED_TRIES = 3
WORDS_LENGTH = 300


class PeerError(Exception):
    """A call to a peer that did not bring what was asked; says so in one sentence."""

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        super().__init__(redact(message))
        self.status_code = status_code


class PeerUnavailable(PeerError):
    """Surely nothing was done; try again later."""


class PeerBusy(PeerUnavailable):
    """Our own calls keep the peer's clock busy; no turn came."""


class PeerThrottled(PeerUnavailable):
    """The peer asked us to slow down."""


class PeerRefused(PeerError):
    """The peer said no; the message carries its words."""


class PeerAccessRefused(PeerRefused):
    """The token is not accepted: a person must act."""


class PeerProtocolError(PeerError):
    """The answer cannot be read."""


class PeerPage(PeerProtocolError):
    """A web page came instead of data, as while the peer's site is worked on."""


class PeerOutcomeUnknown(PeerError):
    """A write may or may not have happened: look before doing it again."""


class PeerWriteWithheld(PeerError):
    """`OBSERVE_ONLY` is on: the write was not sent."""


class PeerWriteGuarded(PeerWriteWithheld):
    """The database may not know what was written before: the write was not sent."""


def failure_of(error: BaseException) -> Failure:
    """Tell what sort of failure an error is."""
    if isinstance(error, PeerAccessRefused):
        return Failure.ACCESS
    is_down = isinstance(error, PeerUnavailable) and not isinstance(error, PeerBusy)
    return Failure.DOWN if is_down else Failure.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReply:
    """A whole answer."""

    peer: str
    path: str
    status_code: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body; fractions become `Decimal`. Raises `PeerProtocolError`."""
        containers = self.body.count(b"{") + self.body.count(b"[")
        if containers > MAX_CONTAINERS or self.body.count(b",") > MAX_VALUES:
            message = _("%(peer)s: %(path)s answered too many parts to be read")
            raise PeerProtocolError(
                message % {"peer": self.peer, "path": self.path},
                status_code=self.status_code,
            )
        with self._read_as_json():
            return decode(self.body)

    def json_parts(self) -> Iterator[Any]:
        """Parse a large object a part at a time; as `json()` otherwise."""
        with self._read_as_json():
            yield from decode_parts(self.body)

    @contextmanager
    def _read_as_json(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, ArithmeticError, RecursionError) as error:
            message = _(
                "%(peer)s: %(path)s answered something that is not JSON: %(words)s"
            )
            if isinstance(error, PartTooLarge):
                message = _(
                    "%(peer)s: %(path)s answered something broken, or too large to "
                    "be read: %(words)s"
                )
            kind = PeerPage if self.is_page else PeerProtocolError
            raise kind(
                message % {"peer": self.peer, "path": self.path, "words": self.words()},
                status_code=self.status_code,
            ) from error

    @property
    def is_page(self) -> bool:
        return self.body.lstrip().startswith(b"<")

    def words(self) -> str:
        """Give the beginning of the body as plain text."""
        text = self.body[: 4 * WORDS_LENGTH].decode("utf-8", errors="replace")
        plain = re.sub(r"<[^>]*>|\s+", " ", text)
        return re.sub(r"\s+", " ", plain).strip()[:WORDS_LENGTH] or _("an empty answer")


class _Call:
    """How long a call waited for its turn and took then, and what came of it."""

    def __init__(self) -> None:
        self.outcome = "lost"
        self.seconds = 0.0
        self._asked_at = self._begun_at = time.monotonic()
        self._was_begun = False

    @contextmanager
    def timed(self) -> Iterator[None]:
        self._begun_at, self._was_begun = time.monotonic(), True
        try:
            yield
        finally:
            self.seconds = time.monotonic() - self._begun_at

    @property
    def waited_s(self) -> float:
        until = self._begun_at if self._was_begun else time.monotonic()
        return until - self._asked_at


def slow_down_s(reply: PeerReply) -> float | None:
    """Read how long a peer asks us to wait, or None; 429 is every peer's way."""
    if reply.status_code != 429:
        return None
    return retry_after_s(reply) or 1.0


def retry_after_s(reply: PeerReply) -> float | None:
    """Read `Retry-After` when it is a number of seconds."""
    raw = reply.headers.get("Retry-After", "")
    return float(raw) if raw.isdigit() else None


class PeerConnection:
    """Calls one peer: deadline, clock, retries of reads, errors without secrets."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        timeout_s: float,
        limiter: TokenClock,
        user_agent: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str = "",
        observe_only: bool = False,
        throttled_for_s: Callable[[PeerReply], float | None] = slow_down_s,
        backoff_s: float = 2.0,
        longest_wait_s: float = 60.0,
        journal: CallJournal | None = None,
    ) -> None:
        self.name, self.base_url = name, base_url.rstrip("/")
        self.timeout_s, self.limiter = timeout_s, limiter
        self.observe_only = observe_only
        self.params = dict(params or {})
        # The peer's own time, as its last answer's header says, and ours when it came.
        self.told_time: tuple[str, datetime] | None = None
        self._throttled_for_s = throttled_for_s
        self._journal = journal
        self._longest_wait_s = longest_wait_s
        self._retries = Retry(
            total=3,
            status_forcelist=RETRIED_STATUSES,
            allowed_methods=frozenset({"GET"}),
            backoff_factor=backoff_s,
            backoff_max=longest_wait_s,
        )
        self._session = requests.Session()
        # Only what the owner configures counts: no proxy or .netrc of the shell.
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter())
        if proxy:
            self._session.proxies = {"http": proxy, "https": proxy}
        self._session.headers.update({"User-Agent": user_agent, **(headers or {})})

    def be_brief(self, *, timeout_s: float, patience_s: float) -> None:
        """Try once and not for long: a person is waiting."""
        self.timeout_s = min(self.timeout_s, timeout_s)
        self.limiter.patience_s = min(self.limiter.patience_s, patience_s)
        self._retries = self._retries.new(total=0)

    @property
    def time_there(self) -> datetime | None:
        """The peer's own time when it answered last; None = it has not told."""
        return None if self.told_time is None else read_date(self.told_time[0])

    def close(self) -> None:
        self._session.close()
        if self._journal:
            self._journal.add()
            # Not with the next call: a clock that is wrong is told by then.
            PEER_TIMES.add()

    def __enter__(self) -> PeerConnection:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def read(
        self,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        priority: Priority = "crawl",
        max_bytes: int = MAX_BODY_BYTES,
    ) -> PeerReply:
        """GET something that changes nothing; retried within reason.

        `max_bytes`: a longer answer, unpacked, is none.
        Raises `PeerUnavailable`, `PeerRefused`, `PeerProtocolError`.
        """
        retries, throttled = self._retries, 0
        while True:
            try:
                reply = self._call(
                    "GET",
                    path,
                    params=params,
                    priority=priority,
                    max_bytes=max_bytes,
                )
            except PeerBusy:
                raise
            except PeerUnavailable as error:
                retries = self._spend(retries, path, error=error)
                continue
            wait_s = self._throttled_for_s(reply)
            if wait_s is not None:
                throttled += 1
                self._pause_throttled(reply, wait_s=wait_s, tries=throttled)
            elif reply.status_code in RETRIED_STATUSES:
                retries = self._spend(retries, path, error=self._failure(reply))
            else:
                return self._accepted(reply)

    def write(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json_body: Mapping[str, object] | Sequence[object] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        priority: Priority = "order",
    ) -> PeerReply:
        """Make one call that changes something at the peer; never repeated.

        Raises `PeerWriteWithheld`, `PeerUnavailable` and `PeerRefused` when surely
        nothing was done, `PeerOutcomeUnknown` when it may have been.
        """
        if self.observe_only:
            message = _("OBSERVE_ONLY is on: %(method)s %(path)s was not sent")
            raise PeerWriteWithheld(message % {"method": method, "path": path})
        try:
            epoch.count_write()
        except epoch.WritesGuarded as error:
            raise PeerWriteGuarded(str(error)) from None
        except OSError as error:
            # Uncounted outside the database, an older copy of it would not show.
            message = _("%(peer)s: not sent, the mark cannot be written: %(error)s")
            figures = {"peer": self.name, "error": error.strerror or error}
            raise PeerUnavailable(message % figures) from None
        # A fresh connection: on a kept one that the peer has just closed, nobody
        # could tell whether the write arrived.
        self._session.close()
        reply = self._call(
            method,
            path,
            params=params,
            json_body=json_body,
            form=form,
            headers=headers,
            priority=priority,
            is_write=True,
        )
        if self._throttled_for_s(reply) is not None:
            raise PeerThrottled(self._sentence(reply), status_code=reply.status_code)
        if reply.status_code >= 500:
            raise PeerOutcomeUnknown(
                self._sentence(reply), status_code=reply.status_code
            )
        return self._accepted(reply)

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None,
        priority: Priority,
        json_body: Mapping[str, object] | Sequence[object] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        is_write: bool = False,
        max_bytes: int = MAX_BODY_BYTES,
    ) -> PeerReply:
        _refuse_open_transaction()
        if self._journal:
            # Not after the call: nothing stands between an answer and its being kept.
            self._journal.add_when_due(PEER_TIMES.add)
        url = f"{self.base_url}/{path.lstrip('/')}"
        query = {**(params or {}), **self.params}
        deadline = None
        call = _Call()
        try:
            with (
                self.limiter.turn(priority),
                call.timed(),
                call_deadline(self.timeout_s) as deadline,
            ):
                reply = self._send(
                    method,
                    url,
                    path,
                    max_bytes=max_bytes,
                    params=query,
                    json=json_body,
                    data=form,
                    headers=headers,
                )
            self.told_time = (reply.headers.get("Date", ""), timezone.now())
            if self._journal:
                PEER_TIMES.note(self.name, self.told_time[0])
            if deadline.has_passed:
                # A body without a length looks whole wherever it is cut.
                raise requests.exceptions.ReadTimeout
            call.outcome = self._outcome_of(reply)
            return reply
        except ClockBusy:
            call.outcome = "busy"
            message = _("%(peer)s: no turn came within %(seconds)s s; try later")
            raise PeerBusy(
                message % {"peer": self.name, "seconds": self.limiter.patience_s}
            ) from None
        except PeerProtocolError as error:
            call.outcome = "unreadable"
            if is_write:
                raise PeerOutcomeUnknown(str(error)) from None
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
            # The exception's own text holds the URL, and the URL holds the token.
            is_late = deadline is not None and deadline.has_passed
            lost = self._lost(path, e, is_write=is_write, is_late=is_late)
            if isinstance(lost, PeerOutcomeUnknown):
                call.outcome = "unknown"
            raise lost from None
        finally:
            self._note(call, method, path)

    def _note(self, call: _Call, verb: str, path: str) -> None:
        if self._journal:
            self._journal.note(
                self.name,
                self._method_of(verb, path),
                call.outcome,
                seconds=call.seconds,
                waited_s=call.waited_s,
            )

    def _method_of(self, verb: str, path: str) -> str:
        return method_of(verb, path)

    def _outcome_of(self, reply: PeerReply) -> str:
        """Name what HTTP says; what an answer of 200 refuses is the caller's to see."""
        code = reply.status_code
        if self._throttled_for_s(reply) is not None:
            return "throttled"
        if code in (401, 403):
            return "access"
        return "ok" if code < 300 else "refused" if code < 500 else "failed"

    def _send(
        self, method: str, url: str, path: str, *, max_bytes: int, **sent: Any
    ) -> PeerReply:
        for _hop in range(MAX_REDIRECTS + 1):
            try:
                response = self._session.request(
                    method,
                    url,
                    timeout=(min(self.timeout_s, CONNECT_TIMEOUT_S), self.timeout_s),
                    stream=True,
                    allow_redirects=False,
                    **sent,
                )
            except (requests.RequestException, UnicodeEncodeError):
                raise
            except ValueError:
                # `requests` looks where a redirect leads, though it shall not go.
                words = _("a redirect that cannot be read")
                raise PeerProtocolError(self._said(path, words)) from None
            with response:
                body = self._body(response, path=path, max_bytes=max_bytes)
            if response.is_redirect:
                url = self._redirected(method, url, response.headers["location"], path)
                sent["params"] = None
                continue
            return PeerReply(
                peer=self.name,
                path=path,
                status_code=response.status_code,
                headers=response.headers,
                body=body,
            )
        raise PeerProtocolError(self._said(path, _("redirects without end")))

    def _body(self, response: requests.Response, *, path: str, max_bytes: int) -> bytes:
        # Gives what was written without a copy of it.
        body = io.BytesIO()
        while chunk := response.raw.read1(1 << 16, decode_content=True):
            body.write(chunk)
            if body.tell() > max_bytes:
                words = _("an answer of more than %(mib)d MiB")
                words %= {"mib": max_bytes >> 20}
                raise PeerProtocolError(self._said(path, words))
        expected = response.headers.get("Content-Length", "")
        received = response.raw.tell()
        if expected.isdigit() and received < int(expected):
            raise urllib3.exceptions.IncompleteRead(received, int(expected) - received)
        return body.getvalue()

    def _redirected(self, method: str, url: str, location: str, path: str) -> str:
        target = urljoin(url, location)
        there, here = urlsplit(target), urlsplit(url)
        if method != "GET" or (there.scheme, there.netloc) != (
            here.scheme,
            here.netloc,
        ):
            words = _("a redirect to %(host)s, which is not followed")
            raise PeerProtocolError(self._said(path, words % {"host": there.netloc}))
        return target

    def _lost(
        self, path: str, error: Exception, *, is_write: bool, is_late: bool
    ) -> PeerError:
        if is_late or isinstance(error, requests.exceptions.Timeout):
            words = _("no answer within %(seconds)s s") % {"seconds": self.timeout_s}
        elif isinstance(error, requests.exceptions.SSLError):
            words = _("no secure connection")
        elif _never_sent(error):
            words = _("no connection")
        else:
            words = _("the connection broke before the whole answer came")
        if is_write and not _never_sent(error):
            return PeerOutcomeUnknown(self._said(path, words))
        return PeerUnavailable(self._said(path, words))

    def _spend(self, retries: Retry, path: str, *, error: PeerError) -> Retry:
        """Count one failed read and wait, or raise `error` when the tries are spent."""
        try:
            left = retries.increment(
                "GET", path, error=urllib3.exceptions.ProtocolError(str(error))
            )
        except urllib3.exceptions.MaxRetryError:
            raise error from None
        log.warning("%s (%s tries left)", error, left.total)
        time.sleep(left.get_backoff_time())
        return left

    def _pause_throttled(self, reply: PeerReply, *, wait_s: float, tries: int) -> None:
        if tries >= THROTTLED_TRIES or wait_s > self._longest_wait_s:
            kind = PeerAccessRefused if reply.status_code == 403 else PeerThrottled
            raise kind(self._sentence(reply), status_code=reply.status_code)
        wait_s = min(wait_s * tries, self._longest_wait_s)
        log.warning("%s: slowing down for %s s", self.name, wait_s)
        self.limiter.push_back(wait_s)
        if not self.limiter.interval:
            time.sleep(wait_s)

    def _accepted(self, reply: PeerReply) -> PeerReply:
        if 200 <= reply.status_code < 300:
            return reply
        raise self._failure(reply)

    def _failure(self, reply: PeerReply) -> PeerError:
        code = reply.status_code
        kind: type[PeerError] = PeerRefused
        if code in (401, 403):
            kind = PeerAccessRefused
        elif code >= 500:
            kind = PeerUnavailable
        return kind(self._sentence(reply), status_code=code)

    def _sentence(self, reply: PeerReply) -> str:
        return self._said(reply.path, f"HTTP {reply.status_code}, {reply.words()}")

    def _said(self, path: str, words: str) -> str:
        return f"{self.name}, {path}: {words}"


def _never_sent(error: Exception) -> bool:
    """Tell whether the request surely did not leave: no connection came about."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(
        reason,
        urllib3.exceptions.NewConnectionError
        | urllib3.exceptions.ConnectTimeoutError
        | urllib3.exceptions.ProxyError,
    )


def _refuse_open_transaction() -> None:
    """A peer may take a minute to answer: no transaction waits that long."""
    blocks = connection.atomic_blocks
    if any(not getattr(block, "_from_testcase", False) for block in blocks):
        raise RuntimeError("a peer was called inside a database transaction")
