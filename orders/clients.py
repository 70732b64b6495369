"""The two peers as the order machine reaches them."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from django.conf import settings

from catalog.alstyle.cart import CartClient
from catalog.alstyle.client import AlStyleClient, open_peer
from orders.kaspi.client import KaspiClient
from orders.kaspi.client import open_client as open_kaspi
from plumbing.peers import PeerConnection

# An order call that gets no turn comes back later rather than hold a claim.
PATIENCE_S = 60


class Clients:
    """Opens each client when it is first used; close by `with`."""

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_exc: object) -> None:
        for name in ("_alstyle", "kaspi"):
            client = self.__dict__.get(name)
            if client is not None:
                (client.peer if name == "kaspi" else client).close()

    @cached_property
    def _alstyle(self) -> PeerConnection:
        return open_peer(
            timeout_s=float(settings.ORDER_TIMEOUT_S), patience_s=PATIENCE_S
        )

    @cached_property
    def cart(self) -> CartClient:
        """Al-Style's cart and orders."""
        parameters_in: Literal["query", "form"] = (
            "form" if settings.SUBMIT_PARAMETERS_IN == "form" else "query"
        )
        return CartClient(self._alstyle, parameters_in=parameters_in)

    @cached_property
    def supplier(self) -> AlStyleClient:
        """Al-Style's readings."""
        return AlStyleClient(self._alstyle)

    @cached_property
    def kaspi(self) -> KaspiClient:
        """Kaspi's orders."""
        return open_kaspi()
