"""How a call to a peer can fail; every message is free of secrets."""

from __future__ import annotations

from plumbing.redaction import redact


class PeerError(Exception):
    """A call to a peer that did not bring what was asked; says so in one sentence."""

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        super().__init__(redact(message))
        self.status_code = status_code


class PeerUnavailable(PeerError):
    """Surely nothing was done; try again later."""


class PeerBusy(PeerUnavailable):
    """Our own calls keep the peer's clock busy; no turn came."""


class PeerThrottled(PeerUnavailable):
    """The peer asked us to slow down."""


class PeerRefused(PeerError):
    """The peer said no; the message carries its words."""


class PeerAccessRefused(PeerRefused):
    """The token is not accepted: a person must act."""


class PeerProtocolError(PeerError):
    """The answer cannot be read."""


class PeerOutcomeUnknown(PeerError):
    """A write may or may not have happened: look before doing it again."""


class PeerWriteWithheld(PeerError):
    """`OBSERVE_ONLY` is on: the write was not sent."""
