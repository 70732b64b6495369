"""A store as Amazon's S3, and all that speak as it does, offers it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings

from plumbing.lazily import lazily
from plumbing.redaction import redact

if TYPE_CHECKING:
    import obstore
    from obstore import exceptions, store
else:
    obstore, exceptions = lazily("obstore"), lazily("obstore.exceptions")
    store = lazily("obstore.store")

# A piece is one request, so that a slow line needs no longer patience for more of them.
PIECE = 8 << 20
PIECE_TAKES_AT_MOST = timedelta(minutes=5)
TRIES_AT_MOST = 3


class StoreFailed(Exception):
    """The store did not do what it was asked; says why."""


class Store:
    """A folder of a bucket; each method talks to the store and raises `StoreFailed`."""

    def __init__(self, url: str, *, key: str, secret: str, region: str) -> None:
        parts = urlsplit(url)
        bucket, _slash, prefix = parts.path.strip("/").partition("/")
        with _telling():
            self._store = store.S3Store(
                bucket,
                prefix=prefix or None,
                endpoint=f"{parts.scheme}://{parts.netloc}",
                access_key_id=key,
                secret_access_key=secret,
                region=region,
                virtual_hosted_style_request=False,
                client_options={
                    "allow_http": parts.scheme == "http",
                    "timeout": PIECE_TAKES_AT_MOST,
                },
                retry_config={
                    "max_retries": TRIES_AT_MOST,
                    "retry_timeout": PIECE_TAKES_AT_MOST,
                },
            )

    def put(self, name: str, file: Path) -> None:
        """Bring a file there; it is seen whole or not at all."""
        with _telling():
            obstore.put(self._store, name, file, chunk_size=PIECE, max_concurrency=2)

    def pieces(self, name: str) -> Iterator[bytes]:
        """Read it back."""
        with _telling():
            size = obstore.head(self._store, name)["size"]
            for start in range(0, size, PIECE):
                end = min(start + PIECE, size)
                read = obstore.get_range(self._store, name, start=start, end=end)
                yield bytes(read)

    def get(self, name: str, file: Path) -> None:
        with file.open("wb") as opened:
            for piece in self.pieces(name):
                opened.write(piece)

    def names(self) -> list[str]:
        with _telling():
            listed = obstore.list(self._store)
            return sorted(meta["path"] for page in listed for meta in page)

    def delete(self, names: Sequence[str]) -> None:
        with _telling():
            for name in names:
                obstore.delete(self._store, name)


def store_in_settings() -> Store | None:
    """Give the store that the settings name, if any."""
    if not settings.BACKUP_STORE_URL:
        return None
    return Store(
        settings.BACKUP_STORE_URL,
        key=settings.BACKUP_STORE_KEY,
        secret=settings.BACKUP_STORE_SECRET,
        region=settings.BACKUP_STORE_REGION,
    )


@contextmanager
def _telling() -> Iterator[None]:
    """Say what the library says, in a line and without secrets."""
    try:
        yield
    except (exceptions.BaseError, FileNotFoundError, ValueError) as error:
        words = " ".join(str(error).split())
        raise StoreFailed(redact(words)[:400]) from error
