"""Carries backups off the host, encrypted; only who has the identity can read them."""

from __future__ import annotations

import contextlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyrage
from django.conf import settings

ENDING = ".tar.age"


class NoKey(Exception):
    """It cannot be encrypted, or decrypted, with what was given."""


def carry_off(backup: Path) -> Path | None:
    """Write a backup to the second folder as one encrypted file, if there is one."""
    folder = settings.BACKUP_SECOND_DIR
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target: Path = folder / f"{backup.name}{ENDING}"
    draft = folder / f".{target.name}.partial"
    try:
        recipient = pyrage.x25519.Recipient.from_str(settings.BACKUP_RECIPIENT)
    except pyrage.RecipientError as error:
        raise NoKey(f"BACKUP_RECIPIENT is no age recipient: {error}") from error
    try:
        with tempfile.TemporaryFile(dir=backup.parent) as packed:
            with tarfile.open(fileobj=packed, mode="w") as tar:
                tar.add(backup, arcname=backup.name)
            packed.seek(0)
            with draft.open("wb") as sealed:
                pyrage.encrypt_io(packed, sealed, [recipient])
                sealed.flush()
                os.fsync(sealed.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


@contextlib.contextmanager
def opened(path: Path, *, identity: Path | None) -> Iterator[Path]:
    """Give the folder of a backup; an encrypted one is opened in a scratch place."""
    if not path.name.endswith(ENDING):
        yield path
        return
    if identity is None:
        raise NoKey("it is encrypted: name the file with the identity")
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "backup.tar"
        try:
            lines = identity.read_text("utf-8").splitlines()
            keys = [
                pyrage.x25519.Identity.from_str(line.strip())
                for line in lines
                if line.strip() and not line.startswith("#")
            ]
            with path.open("rb") as sealed, plain.open("wb") as out:
                pyrage.decrypt_io(sealed, out, keys)
        except (OSError, pyrage.IdentityError, pyrage.DecryptError) as error:
            raise NoKey(str(error)) from error
        with tarfile.open(plain) as tar:
            tar.extractall(scratch, filter="data")
        plain.unlink()
        (folder,) = (each for each in Path(scratch).iterdir() if each.is_dir())
        yield folder
