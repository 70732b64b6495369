"""What run.py says, and how it gives up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Whose code runs, and where .env, the data and the releases are (launch.releases).
ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("BRIDGE_HOME") or ROOT)


class CannotGoOn(Exception):
    """Ends run.py; the message is one plain sentence that says what to do."""


def say(text: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line to standard error at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def accept_any_text() -> None:
    """Print what the console's encoding lacks as `?` instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
