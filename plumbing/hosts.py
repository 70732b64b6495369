"""What the hosts tell of their parts: who lives, with which code, and who stands aside.

While hosts are updated one after another, code of two revisions meets one database. A
release works with what the next one's migrations leave; so older code goes on until a
host with newer code has taken the work up, and then leaves it to that. Code that is
newer than the database waits until somebody has migrated it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from pkgutil import iter_modules

from django.apps import AppConfig, apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, Max

from plumbing.leases import database_now
from plumbing.models import HostPart

Fit = HostPart.Fit
# By role: what a host with it runs.
PARTS_OF_ROLES = {"web": ("web",), "workers": ("dispatch", "orders", "imports")}
WORKERS = PARTS_OF_ROLES["workers"]


def parts_here() -> list[str]:
    """Name the parts that this host is to run, by its roles."""
    return [part for role in settings.HOST_ROLES for part in PARTS_OF_ROLES[role]]


def is_ours(app: AppConfig) -> bool:
    """Tell whether an app is this project's: one of the folders at its top."""
    # Not "beneath": the virtual environment with others' apps may be there as well.
    return Path(app.path).parent == settings.BASE_DIR


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Name the migrations that this code has of its own, without loading them."""
    return _migrations_of(filter(is_ours, apps.get_app_configs()))


def _migrations_of(configs: Iterable[AppConfig]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (app.label, module.name)
        for app in configs
        for module in iter_modules([str(Path(app.path) / "migrations")])
        if module.name[0].isdigit()
    )


def has_all_migrations() -> bool:
    """Tell whether the database has seen every migration, others' apps included.

    False may also mean that one takes another's place: their plan tells.
    """
    if not MigrationRecorder(connection).has_table():
        return False
    applied = MigrationRecorder.Migration.objects.values_list("app", "name")
    return _migrations_of(apps.get_app_configs()) <= set(applied)


def read_fit() -> Fit:
    """Compare this code with the migrations that the database has seen."""
    known = _known_migrations()
    labels = {label for label, _name in known}
    applied = MigrationRecorder.Migration.objects.filter(app__in=labels)
    try:
        seen = set(applied.values_list("app", "name"))
    except DatabaseError:
        if MigrationRecorder(connection).has_table():
            raise
        return Fit.NEWER
    if known - seen:
        return Fit.NEWER
    return Fit.OLDER if seen - known else Fit.FITS


class FitWatch:
    """Compares them again and again, and reads them all only if their table changed."""

    def __init__(self) -> None:
        self._rows: dict[str, int | None] = {}
        self._fit = Fit.NEWER

    def read(self) -> Fit:
        """Give what `read_fit` would."""
        migrations = MigrationRecorder.Migration.objects
        try:
            # A migration taken back makes them fewer, one applied anew has a new row.
            rows = migrations.aggregate(last=Max("pk"), number=Count("pk"))
        except DatabaseError:
            return read_fit()
        if rows != self._rows:
            # Read before: what is applied meanwhile is news.
            self._fit, self._rows = read_fit(), rows
        return self._fit


def read_fit_if_possible() -> Fit | None:
    """Compare them, or give None while the database does not say."""
    try:
        return read_fit()
    except DatabaseError:
        return None


def may_work(fit: Fit) -> bool:
    """Tell whether code that fits so may take work."""
    if fit == Fit.OLDER:
        return not newer_workers(now=database_now())
    return fit == Fit.FITS


def newer_workers(*, now: datetime) -> list[str]:
    """Name other hosts at work whose code knows all of the database."""
    others = HostPart.objects.exclude(host=settings.HOST_NAME)
    found = others.filter(part__in=WORKERS, fit=Fit.FITS)
    return sorted({part.host for part in found if not part.is_late(now=now)})


def other_hosts(*, now: datetime) -> list[str]:
    """Name the other hosts of which a part lives."""
    others = HostPart.objects.exclude(host=settings.HOST_NAME)
    return sorted({part.host for part in others if not part.is_late(now=now)})


def leaves_it_to_newer() -> bool:
    """Tell whether this code is older than the database, and newer code at work.

    Then what is declared in the code is for the newer one to put into the database.
    """
    return read_fit() == Fit.OLDER and not may_work(Fit.OLDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a part says of itself."""

    part: str
    since: datetime
    revision: str
    memory_bytes: int
    clock_apart_s: float
    fit: Fit
    works: bool


def tell(told: Told) -> None:
    """Write down that a part of this host lives; forget whoever was silent too long."""
    now = database_now()
    values = {
        "since": told.since,
        "seen_at": now,
        "revision": told.revision,
        "memory_bytes": told.memory_bytes,
        "clock_apart_s": told.clock_apart_s,
        "fit": told.fit,
        "works": told.works,
    }
    mine = {"host": settings.HOST_NAME, "part": told.part}
    if not HostPart.objects.filter(**mine).update(**values):
        HostPart.objects.create(**mine, **values)
        HostPart.objects.filter(seen_at__lt=now - HostPart.KEPT_FOR).delete()


def leave(part: str) -> None:
    """Forget a part that is stopped: nobody shall look for it."""
    HostPart.objects.filter(host=settings.HOST_NAME, part=part).delete()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host as its parts tell of it; `silent_since` None = at least one lives."""

    name: str
    parts: list[HostPart]
    silent_since: datetime | None

    @property
    def since(self) -> datetime:
        return min(part.since for part in self.parts)

    @property
    def seen_at(self) -> datetime:
        return max(part.seen_at for part in self.parts)

    @property
    def revisions(self) -> list[str]:
        return sorted({part.revision for part in self.parts})

    @property
    def memory_bytes(self) -> int:
        return sum(part.memory_bytes for part in self.parts)

    @property
    def clock_apart_s(self) -> float:
        return max((part.clock_apart_s for part in self.parts), key=abs)

    @property
    def idle(self) -> list[HostPart]:
        """The parts that take no work because of their code."""
        return [part for part in self.parts if not part.works]


def read_hosts(rows: Iterable[HostPart], *, now: datetime) -> list[Host]:
    """Put the parts together by host; of one that lives, only those that do."""
    by_name: dict[str, list[HostPart]] = {}
    for row in rows:
        by_name.setdefault(row.host, []).append(row)
    found = []
    for name, parts in sorted(by_name.items()):
        living = [part for part in parts if not part.is_late(now=now)]
        silent = None if living else max(part.seen_at for part in parts)
        found.append(Host(name=name, parts=living or parts, silent_since=silent))
    return found


def told_line(host: Host, *, now: datetime) -> str:
    """Say what is known of a host in one line, for a console."""
    state = "alive" if host.silent_since is None else "SILENT"
    if host.idle:
        state = f"stands aside ({host.idle[0].fit} code)"
    return (
        f"{host.name}: {state}, seen {(now - host.seen_at).total_seconds():.0f} s ago; "
        f"runs {', '.join(part.part for part in host.parts)} "
        f"since {host.since:%Y-%m-%d %H:%M} UTC; "
        f"revision {', '.join(host.revisions) or 'unknown'}; "
        f"clock {host.clock_apart_s:+.1f} s; {host.memory_bytes / 1_000_000:.0f} MB"
    )


def forget_host(name: str) -> bool:
    """Take a host off that is gone; one that lives comes back by itself."""
    deleted, _each = HostPart.objects.filter(host=name).delete()
    return deleted > 0
