"""Collects what every app looks at."""

from __future__ import annotations

from collections.abc import Sequence

import catalog.doctor
import feeds.doctor
import orders.doctor
from backoffice.examining import Check, Finding, examine
from bridge_site.doctor import house

# In the order in which one thing needs the other.
CHECKS: Sequence[Check] = (
    *house.CHECKS,
    *catalog.doctor.CHECKS,
    *feeds.doctor.CHECKS,
    *orders.doctor.CHECKS,
)


def examine_bridge(*, with_calls: bool) -> list[Finding]:
    """Look at everything; `with_calls`: also over the network, for up to a minute."""
    return examine([check for check in CHECKS if with_calls or not check.is_live])
