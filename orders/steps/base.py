"""What every kind of step can do."""

from __future__ import annotations

from typing import Protocol

from orders.clients import Clients
from orders.models import Step
from orders.plan.claims import Claim
from orders.steps.outcomes import Outcome


class Handler(Protocol):
    """Does one kind of step."""

    def describe(self, step: Step) -> str:
        """Say what would be sent; for `OBSERVE_ONLY`."""
        ...

    def perform(self, claim: Claim, clients: Clients) -> Outcome:
        """Ask the peer; may raise `PeerError`'s family and `ClaimLost`."""
        ...

    def look(self, claim: Claim, clients: Clients) -> Outcome:
        """Look at the peer whether an earlier try had its effect."""
        ...
