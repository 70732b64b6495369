"""A server that stops: who is being answered is answered, nobody is kept waiting."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from bridge_site.listening import finish_and_close, is_free, make_server
from launch.ports import free_port

pytestmark = pytest.mark.once
# A server that would look by itself in ten minutes only.
STOPPED_MEANWHILE = """
import sys, threading, django, waitress
django.setup()
from bridge_site.listening import interrupt, let_interrupt
server = waitress.create_server(print, listen=sys.argv[1], asyncore_loop_timeout=600)
let_interrupt()
threading.Timer(0.5, interrupt, [server]).start()
server.run()
print("ended")
"""
# More than all buffers between the two hold.
LIST = b"<offer/>" * 2_000_000


def give_list(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(LIST)))])
    return [LIST]


def serve_until(server, claim: Callable[[], bool]) -> None:
    while not claim():
        server.asyncore.loop(0.02, map=server._map, use_poll=True, count=1)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_a_list_on_its_way_comes_whole_and_idle_connections_are_closed():
    port = free_port()
    server = make_server(give_list, f"127.0.0.1:{port}")
    with connect(port) as idle, connect(port) as fetching:
        fetching.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        fetching.setblocking(False)
        serve_until(server, lambda: is_answered(fetching))
        server.task_dispatcher.shutdown()
        fetching.setblocking(True)
        fetched = bytearray()
        reading = threading.Thread(target=read_all, args=[fetching, fetched])
        reading.start()
        finish_and_close(server)
        reading.join(20)
        assert fetched.endswith(LIST)
        # Its owner learns of it before he asks again, and asks whoever comes next.
        assert idle.recv(1) == b""
        assert is_free(f"127.0.0.1:{port}")


@pytest.mark.parametrize("addresses", [1, 2])
def test_a_server_that_waits_for_callers_is_stopped_at_once(addresses):
    listen = " ".join(f"127.0.0.1:{free_port()}" for _ in range(addresses))
    command = [sys.executable, "-c", STOPPED_MEANWHILE, listen]
    assert subprocess.check_output(command, text=True, timeout=60) == "ended\n"


def is_answered(asking: socket.socket) -> bool:
    try:
        return asking.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False


def read_all(asking: socket.socket, into: bytearray) -> None:
    while piece := asking.recv(1 << 20):
        into += piece
