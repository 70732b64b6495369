from __future__ import annotations

import pytest

from orders.clients import Clients
from orders.steps.machine import process_due
from sandbox import AlStyleServer

TOKEN = "alstyle-test-token"


@pytest.fixture
def supplier(settings):
    """Al-Style on loopback, without its pace."""
    with AlStyleServer(token=TOKEN, interval_s=0) as server:
        settings.ALSTYLE_URL = server.url
        settings.ORDER_TIMEOUT_S = 1
        settings.PEER_LONGEST_WAIT_S = 1
        yield server
        assert server.crashes == []


@pytest.fixture
def quiet(kaspi):
    """Kaspi whose orders move only when told to."""
    kaspi.change_settings(states_move=False, waybill_after_s=0)
    return kaspi


@pytest.fixture
def process():
    """Do what is due, as a worker would."""

    def run(*, also_later: bool = False, budget_s: float = 30):
        with Clients() as clients:
            return process_due(clients, budget_s=budget_s, also_later=also_later)

    return run
