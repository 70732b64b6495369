"""Servers and a plain HTTP client for the sandbox's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from sandbox import AlStyleServer, Clock, KaspiServer


@pytest.fixture
def supplier() -> Iterator[AlStyleServer]:
    with AlStyleServer(interval_s=0) as peer:
        yield peer
    assert peer.crashes == []


@pytest.fixture
def kaspi() -> Iterator[KaspiServer]:
    with KaspiServer(clock=Clock(speed=1)) as peer:
        yield peer
    assert peer.crashes == []


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session
