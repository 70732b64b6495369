"""When each recurring job last came to a good end, and how late it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django_q.models import Schedule, Success


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A recurring job; `succeeded_at` is None until it has come to a good end."""

    name: str
    due_at: datetime | None
    succeeded_at: datetime | None

    def late_s(self, *, now: datetime) -> int:
        """Return for how long it has been due without being taken."""
        return 0 if self.due_at is None else max(0, round(_age_s(self.due_at, now)))

    def age_s(self, *, now: datetime) -> int | None:
        """Return the seconds since its last good end."""
        if self.succeeded_at is None:
            return None
        return round(_age_s(self.succeeded_at, now))


def _age_s(moment: datetime, now: datetime) -> float:
    return (now - moment).total_seconds()


def read_jobs() -> Sequence[Job]:
    """Read all recurring jobs by name."""
    ends = Success.objects.exclude(group=None).values_list("group")
    last = dict(ends.annotate(last=Max("stopped")).order_by())
    rows = Schedule.objects.order_by("name").values_list("name", "next_run")
    return [
        Job(name=name, due_at=due_at, succeeded_at=last.get(name))
        for name, due_at in rows
    ]
