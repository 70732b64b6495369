"""Puts files in place so that a reader meets a whole one at every moment."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import logging
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import get_ident
from typing import IO, Any

from django.conf import settings
from django.core.files import locks

logger = logging.getLogger(__name__)
FILE_NAME = "kaspi_price_list.xml"
CHUNK_BYTES = 1 << 20
# A web server in front reads the live list as the group of the folder's, or as nobody.
FOLDER_MODE, LIVE_MODE = 0o750, 0o640
# On Windows a file that somebody reads cannot be replaced until he closes it.
REPLACE_WAITS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 4)
STRAY_AFTER_S = 3600
# How a price list ends.
END = b"</kaspi_catalog>"
LOCK_NAME = "live.lock"
# Digests of the live file by (time, size, inode); it changes a few times an hour.
_digests: dict[tuple[int, int, int], str] = {}


def live_path() -> Path:
    return Path(settings.FEED_DIR) / FILE_NAME


def live_gzip_path() -> Path:
    return Path(settings.FEED_DIR) / f"{FILE_NAME}.gz"


def version_path(pk: int) -> Path:
    """Say where a version is kept, compressed."""
    return Path(settings.FEED_DIR) / "versions" / f"{pk}.xml.gz"


def changes_path(pk: int) -> Path:
    """Say where it stands what a list changes in the listings, until they follow."""
    return Path(settings.FEED_DIR) / "versions" / f"{pk}.listed.csv"


def carried_path(pk: int) -> Path:
    """Name a version's file while it comes from the database; each process its own."""
    return version_path(pk).with_name(f"{pk}.{os.getpid()}-{get_ident()}.part")


def temporary_path(name: str) -> Path:
    """Name a file that only the holder of the build's lease writes."""
    return Path(settings.FEED_DIR) / f"{name}.tmp"


def make_directories() -> None:
    """Make what is not there; a folder that is there keeps its owner's modes."""
    folder = Path(settings.FEED_DIR)
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)
    version_path(0).parent.mkdir(exist_ok=True)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let no other process on this host change the live list meanwhile.

    The host's builder and its web part both may. The system lets go of the lock of a
    process that dies; where a folder knows no locks, the next look puts things right.
    """
    make_directories()
    with (Path(settings.FEED_DIR) / LOCK_NAME).open("ab") as file:
        with contextlib.suppress(OSError):
            locks.lock(file, locks.LOCK_EX)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                locks.unlock(file)


def live_sha256() -> str:
    """Digest the live list, or give "" when there is none; read once a version."""
    try:
        with live_path().open("rb") as file:
            return digest_of(file)
    except FileNotFoundError:
        return ""


def digest_of(file: IO[bytes]) -> str:
    """Digest the live list, opened before; the file is at its beginning again."""
    stat = os.fstat(file.fileno())
    key = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    known = _digests.get(key)
    if known is None:
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
        file.seek(0)
        known = digest.hexdigest()
        _digests.clear()
        _digests[key] = known
    return known


def forget_digests() -> None:
    """Read the live list anew next time."""
    _digests.clear()


def sha256_of(path: Path) -> str:
    """Digest a file, or give "" when there is none."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def sync_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def replace(source: Path, target: Path) -> None:
    """Put `source` in the place of `target` at one stroke."""
    for wait_s in REPLACE_WAITS_S:
        try:
            source.replace(target)
            break
        except PermissionError:
            time.sleep(wait_s)
    else:
        source.replace(target)
    _sync_directory(target.parent)


def _sync_directory(path: Path) -> None:
    # Windows cannot open a directory, and keeps names in its journal anyway.
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def gone_unless_whole(path: Path) -> Iterator[Path]:
    """Let the block write a file; if it cannot, the disk gets the room back at once."""
    try:
        yield path
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def keep_version(source: Path, pk: int) -> None:
    """Keep a compressed copy of a list: the same bytes for the same list."""
    with (
        gone_unless_whole(temporary_path(f"version-{pk}.gz")) as compressed,
        source.open("rb") as plain,
        compressed.open("wb") as raw,
        # zlib's own default level: 9 takes longer and saves a hundredth.
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed, CHUNK_BYTES)
        packed.close()
        raw.close()
        sync_to_disk(compressed)
    replace(compressed, version_path(pk))


def unpack_version(pk: int, target: Path) -> str:
    """Unpack a kept version and give its digest; "" when it is missing or damaged."""
    with gone_unless_whole(target), target.open("wb") as plain:
        digest = version_sha256(pk, plain.write)
    if not digest:
        target.unlink(missing_ok=True)
    return digest


def version_sha256(pk: int, take: Callable[[bytes], Any] | None = None) -> str:
    """Digest a kept version; "" when it is missing or damaged.

    `take`: what gets its bytes, one piece after the other, as they are read.
    """
    digest = hashlib.sha256()
    try:
        with gzip.open(version_path(pk)) as packed:
            while chunk := packed.read(CHUNK_BYTES):
                digest.update(chunk)
                if take is not None:
                    take(chunk)
    except (FileNotFoundError, EOFError, gzip.BadGzipFile, zlib.error):
        return ""
    return digest.hexdigest()


def next_second() -> int:
    """Give the time of the next live list: a whole second later than the one before.

    `Last-Modified`, and the `ETag` of a web server in front, tell versions apart by
    seconds.
    """
    try:
        before_s = int(live_path().stat().st_mtime)
    except FileNotFoundError:
        before_s = 0
    return max(int(time.time()), before_s + 1)


def put_live(source: Path, pk: int, *, modified_s: int | None = None) -> None:
    """Make `source`, kept as version `pk`, the live list, then its compressed twin.

    Both get one time, which says that they belong together; None = the next second.
    """
    sync_to_disk(source)
    modified_s = next_second() if modified_s is None else modified_s
    os.utime(source, (modified_s, modified_s))
    source.chmod(LIVE_MODE)
    # Where it cannot be written anew, a web server in front would give out the twin of
    # the list before. Windows keeps one that is being read; the new one waits for that.
    with contextlib.suppress(PermissionError):
        live_gzip_path().unlink(missing_ok=True)
    replace(source, live_path())
    try:
        pair_gzip(pk)
    except OSError as error:
        # The list is live; the next run pairs the twin, and an unpaired one is not
        # served.
        logger.warning("The compressed price list could not be put in place: %s", error)


def pair_gzip(pk: int) -> None:
    """Give the live list the compressed twin that belongs to it."""
    modified_ns = live_path().stat().st_mtime_ns
    with gone_unless_whole(temporary_path("live.gz")) as twin:
        shutil.copyfile(version_path(pk), twin)
        sync_to_disk(twin)
    os.utime(twin, ns=(modified_ns, modified_ns))
    twin.chmod(LIVE_MODE)
    replace(twin, live_gzip_path())


def live_is_later_than(modified_s: int) -> bool:
    """Tell whether the live list was made after that time, and looks whole."""
    try:
        with live_path().open("rb") as file:
            stat = os.fstat(file.fileno())
            file.seek(max(stat.st_size - len(END), 0))
            return stat.st_mtime > modified_s and file.read() == END
    except FileNotFoundError:
        return False


def gzip_is_paired() -> bool:
    """Tell whether the compressed twin belongs to the live list."""
    try:
        times = live_path().stat().st_mtime_ns, live_gzip_path().stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return times[0] == times[1]


def remove_strays() -> None:
    """Remove what an interrupted build left."""
    _remove_all(Path(settings.FEED_DIR), "*.tmp")
    for stray in version_path(0).parent.glob("*.part"):
        # Another process of this host may be writing it this moment.
        with contextlib.suppress(OSError):
            if time.time() - stray.stat().st_mtime > STRAY_AFTER_S:
                stray.unlink()


def remove_changes() -> None:
    """Remove what no listing has to follow any more."""
    _remove_all(changes_path(0).parent, "*.listed.csv")
    # As earlier releases wrote it, otherwise.
    _remove_all(changes_path(0).parent, "*.changes.csv")


def _remove_all(folder: Path, pattern: str) -> None:
    for stray in folder.glob(pattern):
        # Windows keeps a file that is still open; a later build removes it.
        with contextlib.suppress(OSError):
            stray.unlink()
