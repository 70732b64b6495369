"""Finds ports to listen at."""

from __future__ import annotations

import socket

from launch.console import CannotGoOn


def free_port(wanted: int = 0) -> int:
    """Return the wanted loopback port when it is free, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            with socket.socket() as caller:
                # On Windows a port can be bound that another program listens at.
                caller.settimeout(0.2)
                if port and caller.connect_ex(("127.0.0.1", port)) == 0:
                    continue
            return int(probe.getsockname()[1])
    raise CannotGoOn("No free port was found on 127.0.0.1: close some programs.")
