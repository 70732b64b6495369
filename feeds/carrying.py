"""Carries published lists to the hosts that did not build them, through the database.

SQLite lives on one host, which has the files: there nothing of this is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

from django.db import connection, transaction

from feeds import files
from feeds.models import FeedBuild, ListPiece

PIECE_BYTES = 1 << 20
# The list in force, and those before it that may be put back from another host.
KEPT = 5


def is_needed() -> bool:
    """Tell whether other hosts may work with this database."""
    return connection.vendor != "sqlite"


def hand_over(pk: int) -> None:
    """Put a version's compressed bytes into the database, all or none of them."""
    if not is_needed():
        return
    with transaction.atomic(), files.version_path(pk).open("rb") as packed:
        ListPiece.objects.filter(build_pk=pk).delete()
        for number in count():
            if not (data := packed.read(PIECE_BYTES)):
                return
            ListPiece.objects.create(build_pk=pk, number=number, data=data)


def hand_over_once(pk: int) -> None:
    """Put a version into the database unless it is there."""
    if is_needed() and not is_handed_over(pk) and files.version_path(pk).exists():
        hand_over(pk)


def is_handed_over(pk: int) -> bool:
    return ListPiece.objects.filter(build_pk=pk).exists()


def is_kept(build: FeedBuild) -> bool:
    """Tell whether a version's bytes are on this host or in the database."""
    return files.version_path(build.pk).exists() or is_handed_over(build.pk)


def fetch(pk: int) -> bool:
    """Write a version's file from the database; tells whether it was there.

    Whether it is whole shows when it is unpacked.
    """
    pieces = ListPiece.objects.filter(build_pk=pk).order_by("number")
    numbers = list(pieces.values_list("number", flat=True))
    if not numbers:
        return False
    files.make_directories()
    with files.gone_unless_whole(files.carried_path(pk)) as carried:
        with carried.open("wb") as packed:
            # One at a time: a list of a million offers has a hundred megabytes.
            for number in numbers:
                data = pieces.values_list("data", flat=True).get(number=number)
                packed.write(data)
        files.sync_to_disk(carried)
    files.replace(carried, files.version_path(pk))
    return True


def unpack(build: FeedBuild, target: Path) -> bool:
    """Unpack a version; tells whether `target` is that, whole."""
    return _is_whole(build, lambda: files.unpack_version(build.pk, target))


def make_whole(build: FeedBuild) -> bool:
    """Tell whether this host has a version, whole, now."""
    return _is_whole(build, lambda: files.version_sha256(build.pk))


def _is_whole(build: FeedBuild, digest: Callable[[], str]) -> bool:
    """Look at this host's copy, then at the database's.

    The former may be missing, damaged or another's: after a restore of the database
    numbers are given again.
    """
    return digest() == build.sha256 or (fetch(build.pk) and digest() == build.sha256)


def forget_all_but(pks: Iterable[int]) -> None:
    """Delete from the database what no other host needs any more."""
    if is_needed():
        ListPiece.objects.exclude(build_pk__in=list(pks)).delete()
