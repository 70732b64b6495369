"""The plumbing's tasks."""

from __future__ import annotations

import socket

from plumbing.leases import database_now
from plumbing.models import Heartbeat


def beat(cluster: str) -> str:
    """Prove that this cluster takes and finishes tasks."""
    Heartbeat.objects.update_or_create(
        name=cluster,
        defaults={"host": socket.gethostname(), "beaten_at": database_now()},
    )
    return f"{cluster} is alive"
