"""Why orders wait for a person: the one table of reasons and of the ways out."""

from __future__ import annotations

from orders.admin.reasons.of_buying import OF_BUYING
from orders.admin.reasons.of_findings import OF_FINDINGS
from orders.admin.reasons.of_steps import OF_ANY, OF_KASPI, OF_RELEASING
from orders.admin.reasons.ways import Cure, Way

CURES: dict[str, Cure] = {
    cure.reason: cure
    for cure in (*OF_BUYING, *OF_RELEASING, *OF_KASPI, *OF_ANY, *OF_FINDINGS)
}

__all__ = ["CURES", "Cure", "Way"]
