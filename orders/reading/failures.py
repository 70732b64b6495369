"""Puts into words why something could not be read or stored."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from django.utils.translation import gettext as _

from plumbing.peers import PeerError

log = logging.getLogger(__name__)


def tell_failure(error: Exception, *, about: str) -> str:
    """Log a failure and say it in one line for the mark or the order.

    What a peer answered is said in its own words. What went wrong inside the bridge
    is told by its kind and place only: a database quotes the row, buyer included.
    """
    if isinstance(error, PeerError):
        log.warning("%s: %s", about, error)
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    steps = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]
    log.error("%s: %s at %s", about, type(error).__name__, " → ".join(steps))
    text = _("the bridge itself failed: %(error)s in %(place)s")
    place = steps[-1].split(" ")[0] if steps else "—"
    return text % {"error": type(error).__name__, "place": place}
