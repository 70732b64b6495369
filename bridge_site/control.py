"""How run.py steers the supervisor while it runs: small files in one folder.

`wanted` names the parts that shall run; `running.json` tells which do; `ready` is there
once the site would listen, and waits for its turn. The form is kept from release to
release: an older run.py starts a newer supervisor, and goes back.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Names the folder; without it, all parts run and nobody is told.
CONTROL = "BRIDGE_CONTROL"


@dataclass(slots=True)
class Control:
    """The supervisor's side of the folder."""

    folder: Path
    _told: str = ""

    def wanted(self, parts: Sequence[str]) -> Sequence[str]:
        """Return which of the parts shall run; all, if nobody said."""
        try:
            named = (self.folder / "wanted").read_text("utf-8").split()
        except OSError:
            return parts
        return [name for name in parts if name in named]

    def tell(self, state: dict[str, Any]) -> None:
        """Keep what runs for run.py to read, if it differs from the last time."""
        text = json.dumps(state)
        if text == self._told:
            return
        draft = self.folder / "running.json.new"
        # It may be read this very moment, which Windows minds: the next turn tells.
        with contextlib.suppress(OSError):
            draft.write_text(text, "utf-8")
            draft.replace(self.folder / "running.json")
            self._told = text

    def tell_ready(self) -> None:
        """Let run.py know that all is loaded and only the address is missing."""
        (self.folder / "ready").touch()


def find_control() -> Control | None:
    """Return the folder that run.py named, if it started us."""
    name = os.environ.get(CONTROL)
    return Control(Path(name)) if name else None
