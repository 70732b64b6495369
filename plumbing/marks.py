"""The mark outside the database: whose life it was, and how far that had come."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

# On Windows a file that somebody is just reading cannot be replaced.
TRIES, TRY_AGAIN_AFTER_S = 20, 0.05
NETWORK = Path("/sys/class/net")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What this host knows of the database that it wrote to last.

    `sequence`: the number of the last write to a peer that the database had counted.
    `place`, `hardware` and `anchor`: where the mark was written; a copy of both,
    database and mark, shows by these.
    """

    identity: str
    sequence: int
    wrote_at: datetime | None
    alive_at: datetime
    place: str
    hardware: tuple[str, ...]
    anchor: str = ""

    def was_made_elsewhere(
        self, *, place: str, hardware: tuple[str, ...], anchor: str
    ) -> bool:
        """Tell whether the mark was moved, or copied, to where it was found."""
        is_other = bool(self.hardware and hardware) and not (
            {*self.hardware} & {*hardware}
        )
        is_copied = bool(self.anchor) and self.anchor != anchor
        return self.place != place or is_other or is_copied


def read_mark(path: Path) -> Mark | None:
    """Read the mark; None when there is none that can be read."""
    try:
        raw = json.loads(path.read_text("utf-8"))
        wrote = raw["wrote_at"]
        return Mark(
            identity=str(raw["identity"]),
            sequence=int(raw["sequence"]),
            wrote_at=datetime.fromisoformat(wrote) if wrote else None,
            alive_at=datetime.fromisoformat(raw["alive_at"]),
            place=str(raw["place"]),
            hardware=tuple(map(str, raw["hardware"])),
            anchor=str(raw.get("anchor", "")),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        # Never half written: somebody has edited it, or the disk lost it.
        return None


def write_mark(path: Path, mark: Mark) -> None:
    """Replace the mark, whole and on the disk; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(mark), file, default=datetime.isoformat, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _replace(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()


def anchor_of(path: Path) -> str:
    """Tell which file stands beside the mark and is never written anew; "" = none.

    A copied folder, container's volume or restored archive has another one.
    """
    try:
        return str(_anchor(path).stat().st_ino or "")
    except OSError:
        return ""


def drop_anchor(path: Path) -> str:
    """Make that file if there is none; as young as the mark, lest a copy skip it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        _anchor(path).touch()
    return anchor_of(path)


def _anchor(path: Path) -> Path:
    return path.with_suffix(".anchor")


def _replace(draft: Path, path: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            draft.replace(path)
            return
        except PermissionError:
            if not left:
                raise
            time.sleep(TRY_AGAIN_AFTER_S)


@cache
def hardware() -> tuple[str, ...]:
    """Name this machine by its network cards; a copied one gets others.

    Empty where none is its own, as in a container: then nothing follows from it.
    """
    if os.name == "nt":
        node = uuid.getnode()
        # Made up when no card could be asked.
        found = [] if node >> 40 & 1 else [f"{node:012x}"]
    else:
        found = [
            card.joinpath("address").read_text("ascii").strip()
            for card in (NETWORK.iterdir() if NETWORK.is_dir() else ())
            # Bridges and tunnels are made anew at each start.
            if card.joinpath("device").exists() and card.joinpath("address").is_file()
        ]
    return tuple(
        sorted(
            hashlib.sha256(each.encode()).hexdigest()[:12]
            for each in found
            if each.strip("0:")
        )
    )
