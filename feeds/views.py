"""Serves the live price list to Kaspi and keeps a journal of the fetches."""

from __future__ import annotations

import hmac
import logging
import os
import re
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt

from feeds import files
from feeds.fetching import Visit, note_now
from feeds.models import BROKEN_OFF
from feeds.offers import clean_text
from plumbing.callers import caller_address

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/xml; charset=utf-8"
CHUNK_BYTES = 1 << 16
RETRY_AFTER_S = 300
ACCEPTS_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)
# Notes fetches one after another, beside the thread that sends to everybody.
_journal = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch-journal")


@csrf_exempt
def price_list(request: HttpRequest) -> StreamingHttpResponse:
    """Answer with the whole live list, or not at all."""
    may_read = not settings.FEED_USER or _has_login(request)
    fetch = _Fetch(request, has_login=bool(settings.FEED_USER) and may_read)
    if request.method not in ("GET", "HEAD"):
        return fetch.answer(405, {"Allow": "GET, HEAD"})
    if not may_read:
        return fetch.answer(401, {"WWW-Authenticate": 'Basic realm="price list"'})
    try:
        file = files.live_path().open("rb")
    except OSError as error:
        # Kaspi keeps what it has; an empty list would take everything off sale.
        logger.warning("The price list cannot be served: %s", error)
        return fetch.answer(503, {"Retry-After": str(RETRY_AFTER_S)})
    return _serve(request, fetch, file)


class _Fetch:
    """One request: streams the answer and notes it in the journal when it is sent.

    Only then, because the journal's database may be locked or away, and Kaspi shall
    not wait for it.
    """

    def __init__(self, request: HttpRequest, *, has_login: bool) -> None:
        self._agent = clean_text(request.headers.get("User-Agent", ""))
        self._address = caller_address(request)
        self._has_login = has_login
        self._file: IO[bytes] | None = None
        self._status = 0
        self._sent = self._size = 0
        self._is_iterated = False

    def answer(
        self, status: int, headers: dict[str, str], *, file: IO[bytes] | None = None
    ) -> StreamingHttpResponse:
        self._status, self._file = status, file
        response = StreamingHttpResponse(
            self, status=status, headers={"Content-Type": CONTENT_TYPE, **headers}
        )
        if file is not None:
            self._size = os.fstat(file.fileno()).st_size
            # As Django's own FileResponse does: whoever reads slowly holds no thread.
            response.file_to_stream = _SentByServer(file)  # type: ignore[attr-defined]
            response.block_size = CHUNK_BYTES  # type: ignore[attr-defined]
        return response

    def __iter__(self) -> Iterator[bytes]:
        self._is_iterated = True
        while self._file and (chunk := self._file.read(CHUNK_BYTES)):
            self._sent += len(chunk)
            yield chunk

    def close(self) -> None:
        is_sent_by_server = self._file is not None and not self._is_iterated
        if self._file is not None:
            if is_sent_by_server:
                self._sent = self._file.tell()
            self._file.close()
        if self._sent < self._size:
            # Kaspi goes on with the list of before: that is no fetch of this one.
            self._status = BROKEN_OFF
        if is_sent_by_server:
            # This is the server's one thread for all connections: it shall not wait.
            _journal.submit(self._note, is_apart=True)
        else:
            self._note()

    def _note(self, *, is_apart: bool = False) -> None:
        visit = Visit(
            address=self._address[:64],
            user_agent=self._agent,
            has_login=self._has_login,
            status_code=self._status,
            bytes_sent=self._sent,
        )
        try:
            note_now(visit)
        except DatabaseTrouble as error:
            logger.warning("A fetch of the price list was not noted: %s", error)
        finally:
            if is_apart:
                # Nobody else tends this thread's connection, and fetches are rare.
                connection.close()


class _SentByServer:
    """A file for `wsgi.file_wrapper`; Django makes its `close` the response's."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _serve(
    request: HttpRequest, fetch: _Fetch, file: IO[bytes]
) -> StreamingHttpResponse:
    """Answer with `file`, the live list, or with its compressed twin."""
    stat = os.fstat(file.fileno())
    etag = files.digest_of(file)
    headers = {
        "Vary": "Accept-Encoding",
        "Last-Modified": http_date(stat.st_mtime),
        # Always ask: the list may be a minute old.
        "Cache-Control": "no-cache",
    }
    accepts_gzip = ACCEPTS_GZIP.search(request.headers.get("Accept-Encoding", ""))
    twin = _open_twin(stat) if accepts_gzip else None
    if twin is not None:
        file.close()
        file, etag = twin, f"{etag}-gzip"
        headers["Content-Encoding"] = "gzip"
    headers["ETag"] = f'"{etag}"'
    other = get_conditional_response(
        request, etag=headers["ETag"], last_modified=int(stat.st_mtime)
    )
    if other is not None:
        file.close()
        headers.pop("Content-Encoding", None)
        return fetch.answer(other.status_code, headers)
    headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
    if request.method == "HEAD":
        file.close()
        return fetch.answer(200, headers)
    return fetch.answer(200, headers, file=file)


def _open_twin(stat: os.stat_result) -> IO[bytes] | None:
    """Open the compressed twin when it belongs to the same version."""
    path: Path = files.live_gzip_path()
    try:
        twin = path.open("rb")
    except OSError:
        return None
    if os.fstat(twin.fileno()).st_mtime_ns == stat.st_mtime_ns:
        return twin
    twin.close()
    return None


def _has_login(request: HttpRequest) -> bool:
    """Check HTTP Basic; every wrong login takes the same time."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = b64decode(encoded, validate=True)
    except ValueError:
        return False
    wanted = f"{settings.FEED_USER}:{settings.FEED_PASSWORD}".encode()
    return hmac.compare_digest(given, wanted)
