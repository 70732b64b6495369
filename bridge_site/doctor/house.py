"""What an examination looks at of the house: settings, database, workers, disk."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import django
from django.conf import settings
from django.core.checks import run_checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_q.models import Schedule

from backoffice.examining import Check, Finding
from backoffice.formatting import ago, grouped
from bridge_site.adjusting.saving import KNOWN
from bridge_site.disks import read_disks
from bridge_site.revision import revision
from bridge_site.schedules import SCHEDULES, SLACK
from bridge_site.workers import PARTS, silent_parts
from plumbing.leases import database_now
from plumbing.models import AdjustedSetting, Heartbeat, TimeJump
from plumbing.queue import count_waiting

PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)(?!.*;)", re.MULTILINE
)
# More tasks than this waiting means that nobody takes them.
MANY_TASKS = 200


def look_at_settings(check: Check) -> Iterator[Finding]:
    """Run the checks of the start, and see what is set that should not stay so."""
    problems = run_checks(tags=["bridge"])
    for problem in problems:
        tell = check.fail if problem.is_serious() else check.warn
        yield tell(problem.msg, advice=problem.hint or "")
    if not problems:
        yield check.ok(_("All required settings are there and can be read"))
    for row in AdjustedSetting.objects.filter(name__in=KNOWN):
        try:
            KNOWN[row.name].parse(row.value)
        except ValueError as error:
            text = _("%(name)s as set in the admin cannot be used: %(error)s")
            advice = _("Set it anew in Settings; meanwhile the default counts.")
            yield check.fail(text % {"name": row.name, "error": error}, advice=advice)
    if settings.DEBUG:
        yield check.warn(
            _("DEBUG is on: error pages show the program's inside to everybody"),
            advice=_("Set DEBUG=0 and restart."),
        )
    if settings.OBSERVE_ONLY:
        yield check.warn(
            _("Observing only: nothing is written to either side"),
            advice=_("When the plan looks right, stop observing in Settings."),
        )


def look_at_database(check: Check) -> Iterator[Finding]:
    """See what kind it is, whether it is migrated, and whether it knows Cyrillic."""
    migrate = _("Run: python3 run.py manage migrate")
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        text = _("Migrations not applied: %(number)d")
        yield check.fail(text % {"number": len(missing)}, advice=migrate)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
            (number,) = cursor.fetchone()
            cursor.execute("PRAGMA journal_mode")
            (mode,) = cursor.fetchone()
            if mode != "wal":
                yield check.warn(
                    _("SQLite does not write ahead (%(mode)s)") % {"mode": mode},
                    advice=_("VAR_DIR must be on a disk of this computer."),
                )
            yield check.ok(f"SQLite {number}")
            return
        cursor.execute(
            "SELECT current_setting('server_version'),"
            " current_setting('server_encoding'), lower('МЫШЬ') = 'мышь'"
        )
        number, encoding, knows_cyrillic = cursor.fetchone()
    if encoding != "UTF8" or not knows_cyrillic:
        yield check.fail(
            _("The database does not know that Ы and ы are one letter: search fails"),
            advice=_("Create it with -E UTF8 --locale=C.UTF-8 -T template0."),
        )
    yield check.ok(f"PostgreSQL {number}, {encoding}")


def look_at_clock(check: Check) -> Iterator[Finding]:
    """See whether the clock was set lately."""
    now = database_now()
    lately = TimeJump.objects.filter(noticed_at__gt=now - TimeJump.TOLD_FOR)
    jump = lately.order_by("-pk").first()
    if jump is None:
        yield check.ok(_("It was not set within a day"))
        return
    text = _("It was set by %(seconds)d s %(since)s")
    yield check.warn(
        text % {"seconds": jump.seconds, "since": ago(jump.noticed_at, now=now)},
        advice=_("Let the computer set its clock by itself (NTP)."),
    )


def look_at_disk(check: Check) -> Iterator[Finding]:
    """See how much room there is where the bridge writes."""
    for disk in read_disks():
        text = _("%(folder)s: %(free)s MB are free")
        text %= {"folder": disk.folder, "free": grouped(disk.free_mb)}
        advice = _("Make room, or move the folder (%(name)s).") % {"name": disk.name}
        if disk.is_nearly_full:
            yield check.fail(text, advice=advice)
        elif disk.is_low:
            yield check.warn(text, advice=advice)
        else:
            yield check.ok(text)


def look_at_workers(check: Check) -> Iterator[Finding]:
    """See whether every part shows life, and takes its tasks."""
    now = database_now()
    beats = {beat.name: beat for beat in Heartbeat.objects.all()}
    silent = silent_parts(beats, now=now)
    advice = _(
        "Start the bridge (run.py serve, or the units of deploy/); read its log."
    )
    if silent:
        names = []
        for name in silent:
            beat = beats.get(name)
            since = ago(beat.beaten_at, now=now) if beat else _("never")
            names.append(f"{PARTS[name]} ({since})")
        text = _("No sign of life, and since when: %(names)s")
        yield check.fail(text % {"names": ", ".join(names)}, advice=advice)
    else:
        yield check.ok(_("All parts show life"))
    waiting = count_waiting()
    if waiting is None:
        yield check.fail(
            _("The queue of tasks cannot be reached"),
            advice=_("See whether the Redis that BROKER_URL names runs."),
        )
    elif (number := sum(waiting.values())) > MANY_TASKS:
        text = _("Tasks waiting: %(number)s")
        yield check.warn(text % {"number": grouped(number)}, advice=advice)


def look_at_schedules(check: Check) -> Iterator[Finding]:
    """See whether all recurring work is declared and on time."""
    now = database_now()
    known = {row.name: row for row in Schedule.objects.all()}
    missing = [each.name for each in SCHEDULES if each.name not in known]
    late = [name for name, row in known.items() if row.next_run < now - 2 * SLACK]
    if missing:
        text = _("Recurring work is missing: %(names)s")
        advice = _("Run: python3 run.py manage sync_schedules")
        yield check.fail(text % {"names": ", ".join(missing)}, advice=advice)
    if late:
        text = _("Recurring work is late: %(names)s")
        advice = _("A worker is silent or busy for very long: see Workers.")
        yield check.fail(text % {"names": ", ".join(sorted(late))}, advice=advice)
    if not missing and not late:
        text = _("%(number)d recurring tasks, all on time")
        yield check.ok(text % {"number": len(known)})


def look_at_versions(check: Check) -> Iterator[Finding]:
    """Name the versions, and the packages that are not what is pinned."""
    parts = [f"Python {platform.python_version()}", f"Django {django.get_version()}"]
    if short := revision():
        parts.append(_("revision %(short)s") % {"short": short})
    yield check.ok(", ".join(parts))
    pinned = Path(settings.BASE_DIR / "requirements.txt").read_text("utf-8")
    others = []
    for name, wanted in PINNED.findall(pinned):
        try:
            have = version(name)
        except PackageNotFoundError:
            have = _("missing")
        if have != wanted:
            others.append(f"{name} {have} ≠ {wanted}")
    if others:
        text = _("Packages differ from what is pinned: %(names)s")
        advice = _("Start run.py serve once: it installs what changed.")
        yield check.warn(text % {"names": ", ".join(others[:5])}, advice=advice)


CHECKS = (
    Check(code="settings", title=gettext_lazy("Settings"), look=look_at_settings),
    Check(code="database", title=gettext_lazy("Database"), look=look_at_database),
    Check(code="clock", title=gettext_lazy("Clock"), look=look_at_clock),
    Check(code="disk", title=gettext_lazy("Disk"), look=look_at_disk),
    Check(code="workers", title=gettext_lazy("Workers"), look=look_at_workers),
    Check(code="schedules", title=gettext_lazy("Schedules"), look=look_at_schedules),
    Check(code="versions", title=gettext_lazy("Versions"), look=look_at_versions),
)
