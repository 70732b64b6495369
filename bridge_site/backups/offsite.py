"""Carries backups off the host, encrypted; only who has the identity can read them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import pyrage
from django.conf import settings

from bridge_site.backups.stores import Store, StoreFailed, store_in_settings
from orders.erasures import erased_ids

ENDING = ".tar.age"
# Beside the backups: whose buyers were erased, also since the last one.
ERASED = "erased-orders.age"
FROM_STORE = "s3:"
PIECE = 1 << 20


class NoKey(Exception):
    """It cannot be encrypted, or decrypted, with what was given."""


class NotCarried(Exception):
    """A backup has not left the host, or not whole; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A backup to be restored: its folder, and which orders' buyers were erased."""

    folder: Path
    erased: frozenset[str] = frozenset()


def carry_off(backup: Path) -> None:
    """Write a backup, encrypted, to the second folder and to the store.

    One that fails does not keep it from the other. Raises `NotCarried`.
    """
    if not _is_wanted():
        return
    with _scratch_file(backup.parent) as sealed:
        with tempfile.TemporaryFile(dir=backup.parent) as packed:
            with tarfile.open(fileobj=packed, mode="w") as tar:
                tar.add(backup, arcname=backup.name)
            packed.seek(0)
            _seal(packed, sealed)
        _carry(sealed, f"{backup.name}{ENDING}")
    carry_erased()


def carry_erased() -> None:
    """Write the list of erased buyers' orders beside the backups that left the host.

    Raises `NotCarried`.
    """
    ids = sorted(erased_ids())
    if not ids or not _is_wanted():
        return
    with _scratch_file(settings.BACKUP_DIR) as sealed:
        _seal(BytesIO("\n".join(ids).encode("ascii")), sealed)
        _carry(sealed, ERASED)
    _noted_as_carried().write_text(_state_of_erased(), encoding="ascii")


def is_carried() -> bool:
    """Tell whether the list has left the host as it is now."""
    try:
        return _noted_as_carried().read_text("ascii") == _state_of_erased()
    except FileNotFoundError:
        return not erased_ids() or not _is_wanted()


def drop_elsewhere(old_among: Callable[[Sequence[str]], Iterable[str]]) -> None:
    """Delete from the store the backups that the rule does not keep.

    Raises `NotCarried`.
    """
    store = store_in_settings()
    if store is None:
        return
    try:
        store.delete([*old_among(names_in_store())])
    except StoreFailed as error:
        raise NotCarried(f"BACKUP_STORE_URL: {error}") from error


def names_in_store() -> list[str]:
    """List the backups in the store, if there is one; raises `StoreFailed`."""
    store = store_in_settings()
    names = store.names() if store is not None else []
    return [name for name in names if name.endswith(ENDING)]


@contextlib.contextmanager
def opened(path: Path, *, identity: Path | None) -> Iterator[Opened]:
    """Give the folder of a backup; an encrypted one is opened in a scratch place.

    `s3:NAME` is one in the store. Raises `NoKey`, `StoreFailed`, `OSError`.
    """
    if not path.name.endswith(ENDING):
        yield Opened(folder=path)
        return
    if identity is None:
        raise NoKey("it is encrypted: name the file with the identity")
    keys = _keys_in(identity)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        sealed, erased = path, path.with_name(ERASED)
        if str(path).startswith(FROM_STORE):
            sealed, erased = place / "backup.age", place / ERASED
            _fetch(path.name.removeprefix(FROM_STORE), sealed, erased)
        plain, listed = place / "backup.tar", place / "erased.txt"
        _unseal(sealed, plain, keys)
        ids: frozenset[str] = frozenset()
        if erased.is_file():
            _unseal(erased, listed, keys)
            ids = frozenset(listed.read_text("ascii").split())
        inside = place / "inside"
        with tarfile.open(plain) as tar:
            tar.extractall(inside, filter="data")
        plain.unlink()
        (folder,) = (each for each in inside.iterdir() if each.is_dir())
        yield Opened(folder=folder, erased=ids)


def digest(file: Path) -> str:
    with file.open("rb") as opened_:
        return _digest_of(iter(lambda: opened_.read(PIECE), b""))


def _digest_of(pieces: Iterator[bytes]) -> str:
    hashed = hashlib.sha256()
    for piece in pieces:
        hashed.update(piece)
    return hashed.hexdigest()


def _noted_as_carried() -> Path:
    folder: Path = settings.BACKUP_DIR
    return folder / "erased-orders.carried"


def _state_of_erased() -> str:
    places = f"{settings.BACKUP_SECOND_DIR} {settings.BACKUP_STORE_URL}"
    told = "\n".join([places, *sorted(erased_ids())])
    return hashlib.sha256(told.encode()).hexdigest()


def _is_wanted() -> bool:
    return settings.BACKUP_SECOND_DIR is not None or bool(settings.BACKUP_STORE_URL)


def _carry(sealed: Path, name: str) -> None:
    """Bring a file to each place and read it back from there."""
    wanted, failures = digest(sealed), []
    if settings.BACKUP_SECOND_DIR is not None:
        try:
            _copy(sealed, settings.BACKUP_SECOND_DIR / name, wanted)
        except (OSError, NotCarried) as error:
            failures.append(f"BACKUP_SECOND_DIR: {error}")
    store = store_in_settings()
    if store is not None:
        try:
            _upload(store, sealed, name, wanted)
        except (StoreFailed, NotCarried) as error:
            failures.append(f"BACKUP_STORE_URL: {error}")
    if failures:
        raise NotCarried("; ".join(failures))


def _copy(sealed: Path, target: Path, wanted: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.partial")
    try:
        with sealed.open("rb") as source, draft.open("wb") as copy:
            shutil.copyfileobj(source, copy, PIECE)
            copy.flush()
            os.fsync(copy.fileno())
        if digest(draft) != wanted:
            raise NotCarried(f"{target.name} reads back otherwise")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _upload(store: Store, sealed: Path, name: str, wanted: str) -> None:
    store.put(name, sealed)
    if _digest_of(store.pieces(name)) != wanted:
        store.delete([name])
        raise NotCarried(f"{name} reads back otherwise")


def _fetch(name: str, sealed: Path, erased: Path) -> None:
    store = store_in_settings()
    if store is None:
        raise StoreFailed("BACKUP_STORE_URL is not set")
    store.get(name, sealed)
    if ERASED in store.names():
        store.get(ERASED, erased)


@contextlib.contextmanager
def _scratch_file(folder: Path) -> Iterator[Path]:
    """Have a file's name for a while where there is as much room as for a backup."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".partial") as made:
        yield Path(made) / "sealed"


def _seal(source: IO[bytes], target: Path) -> None:
    try:
        recipient = pyrage.x25519.Recipient.from_str(settings.BACKUP_RECIPIENT)
    except pyrage.RecipientError as error:
        raise NotCarried(f"BACKUP_RECIPIENT is no age recipient: {error}") from error
    with target.open("wb") as sealed:
        pyrage.encrypt_io(source, sealed, [recipient])
        sealed.flush()


def _keys_in(identity: Path) -> list[pyrage.x25519.Identity]:
    try:
        lines = identity.read_text("utf-8").splitlines()
        return [
            pyrage.x25519.Identity.from_str(line.strip())
            for line in lines
            if line.strip() and not line.startswith("#")
        ]
    except (OSError, ValueError, pyrage.IdentityError) as error:
        raise NoKey(str(error)) from error


def _unseal(sealed: Path, target: Path, keys: list[pyrage.x25519.Identity]) -> None:
    try:
        with sealed.open("rb") as source, target.open("wb") as plain:
            pyrage.decrypt_io(source, plain, keys)
    except pyrage.DecryptError as error:
        raise NoKey(str(error)) from error
