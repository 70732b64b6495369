"""The table of updates: what may happen to one, and what must be there afterwards."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from bench.updating.ground import UPDATES_WITHIN_S, Ground
from bench.updating.published import git

GOOD = 'migrations.AddField("Store", "{}", models.IntegerField(null=True))'
# Without a way to undo it: only the copy brings that back.
ONE_WAY = 'migrations.RunSQL("ALTER TABLE feeds_store ADD COLUMN {} integer")'
FAILS = "migrations.RunPython(fail)"
FAILS_ON_ORDERS = "migrations.RunPython(fail_on_orders)"
DYING_DISPATCH = """

def run_dispatchers(**_options: object) -> None:
    raise SystemExit(3)
"""
# Long enough for the dispatchers to send something.
DYING_IMPORTS = """

def run_cluster(name: str, **_options: object) -> None:
    import time

    time.sleep(15 if name == "imports" else 1e6)
    raise SystemExit(3)
"""
SILENT_WEB = """

def make_server(application: Application, listen: str) -> Any:
    raise SystemExit(3)
"""
LONG_WATCH = ("--watch", "30")
A_DAYS_ORDERS = 120
FULL_FOR_S = 90.0
IN_THE_SWITCH = ("draining", "stopping", "keeping", "migrating", "web", "workers")
# Where an update must go on, not back, when it was interrupted.
SWITCHED = ("web", "workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a case found: the exit status and what runs; the words are the table's."""

    status: int
    said: str
    is_new: bool
    is_migrated: bool
    # What had to be found.
    wants_new: bool
    wants_migrated: bool
    wants_status: int
    words: str = ""

    @property
    def is_right(self) -> bool:
        found = (self.is_new, self.is_migrated, self.status != 0)
        return found == (self.wants_new, self.wants_migrated, self.wants_status != 0)


Run = Callable[[Ground], Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    # plain, environments (made for real), or disk (a small one).
    where: str
    run: Run


@dataclass(slots=True)
class Release:
    """One that was published, to be looked for afterwards."""

    ground: Ground
    revision: str
    migration: str

    def seen(
        self,
        status: int,
        said: str,
        *,
        new: bool,
        migrated: bool | None = None,
        fails: bool = False,
        words: str = "",
    ) -> Seen:
        """Look what runs now; `migrated`: as `new`, if it is not told."""
        runs = self.ground.served.runs()
        return Seen(
            status=status,
            said=said,
            is_new=self.revision[:12] in runs
            and self.ground.project.running == self.revision,
            is_migrated=self.ground.migration == self.migration,
            wants_new=new,
            wants_migrated=new if migrated is None else migrated,
            wants_status=int(fails),
            words=words,
        )

    def seen_of(
        self, done: subprocess.CompletedProcess[str], **wanted: bool | str
    ) -> Seen:
        return self.seen(done.returncode, done.stdout, **wanted)  # type: ignore[arg-type]


def release(
    ground: Ground, operation: str = GOOD, *, is_atomic: bool = True, **added: str
) -> Release:
    """Publish one with a migration and, at the end of the files `a__b`, more lines."""
    ground.begin_anew()
    name = f"later_{time.time_ns()}"
    migration = ground.add_migration(operation.format(name), is_atomic=is_atomic)
    for file, text in added.items():
        ground.project.add(file.replace("__", "/") + ".py", text)
    return Release(ground, ground.publish("It is new."), migration)


# -- what is in the new release ----------------------------------------------------


def good(ground: Ground) -> Seen:
    new = release(ground)
    return new.seen_of(ground.update(), new=True)


def good_without_migration(ground: Ground) -> Seen:
    ground.begin_anew()
    new = Release(ground, ground.publish("Without a migration."), ground.migration)
    return new.seen_of(ground.update(), new=True)


def broken_migration(ground: Ground) -> Seen:
    new = release(ground, FAILS)
    return new.seen_of(ground.update(), new=False, fails=True)


def broken_on_orders(ground: Ground) -> Seen:
    new = release(ground, FAILS_ON_ORDERS)
    return new.seen_of(ground.update(), new=False, fails=True)


def broken_half_way(ground: Ground) -> Seen:
    new = release(ground, f"{ONE_WAY}, {FAILS}", is_atomic=False)
    return new.seen_of(ground.update(), new=False, fails=True)


def no_way_back(ground: Ground) -> Seen:
    new = release(ground, ONE_WAY, bridge_site__parts=DYING_DISPATCH)
    return new.seen_of(ground.update(), new=False, fails=True)


def no_way_back_and_sent(ground: Ground) -> Seen:
    """The database stays; orders come at once, so that something is sent."""
    new = release(ground, GOOD, bridge_site__parts=DYING_IMPORTS)
    ground.shop.kaspi.generate(10)
    done = ground.update(*LONG_WATCH)
    return new.seen_of(done, new=False, migrated=True, fails=True)


def silent_web(ground: Ground) -> Seen:
    new = release(ground, bridge_site__listening=SILENT_WEB)
    return new.seen_of(ground.update(), new=False, fails=True)


def dying_worker(ground: Ground) -> Seen:
    new = release(ground, bridge_site__parts=DYING_DISPATCH)
    return new.seen_of(ground.update(), new=False, fails=True)


# -- what is refused ------------------------------------------------------------------


def dirty_tree(ground: Ground) -> Seen:
    new = release(ground)
    name = ground.project.pointer
    file = ground.project.home / "releases" / name / "manage.py"
    if name == ".":
        file = ground.project.home / "manage.py"
    text = file.read_text()
    file.write_text(text + "# mine\n")
    try:
        return new.seen_of(ground.update(), new=False, fails=True)
    finally:
        file.write_text(text)


def rewritten_history(ground: Ground) -> Seen:
    new = release(ground)
    git(ground.project.source, "commit", "--quiet", "--amend", "-m", "Another one.")
    git(ground.project.source, "reset", "--quiet", "--soft", "HEAD~1")
    git(ground.project.source, "commit", "--quiet", "--amend", "-m", "Rewritten.")
    git(ground.project.source, "push", "--quiet", "--force", "origin", "HEAD")
    return new.seen_of(ground.update(), new=False, fails=True)


def origin_away(ground: Ground) -> Seen:
    new = release(ground)
    away = ground.project.bare.with_name("away.git")
    ground.project.bare.rename(away)
    try:
        return new.seen_of(ground.update(), new=False, fails=True)
    finally:
        away.rename(ground.project.bare)


def unsigned(ground: Ground) -> Seen:
    new = release(ground)
    return new.seen_of(ground.update("--signed"), new=False, fails=True)


def signed(ground: Ground) -> Seen:
    new = release(ground)
    key = ground.project.make_key("publisher")
    ground.project.trust(key)
    new.revision = ground.project.sign(key)
    return new.seen_of(ground.update("--signed"), new=True)


# -- environments ---------------------------------------------------------------------


def of_requirements(ground: Ground, line: str) -> Release:
    ground.begin_anew()
    migration = ground.add_migration(GOOD.format(f"later_{time.time_ns()}"))
    ground.project.add("requirements.txt", line)
    return Release(ground, ground.publish("With other requirements."), migration)


def new_environment(ground: Ground) -> Seen:
    new = of_requirements(ground, f"# {time.time_ns()}\n")
    return new.seen_of(ground.update(), new=True)


def bad_requirements(ground: Ground) -> Seen:
    new = of_requirements(ground, "without-a-hash==1\n")
    return new.seen_of(ground.update(), new=False, fails=True)


def index_away(ground: Ground) -> Seen:
    new = of_requirements(ground, f"# {time.time_ns()}\n")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_CACHE_DIR": "1"}
    done = ground.update(**nowhere, PIP_RETRIES="0", PIP_CONFIG_FILE="/dev/null")
    return new.seen_of(done, new=False, fails=True)


# -- interrupted ----------------------------------------------------------------------


def killed_at(stage: str) -> Run:
    """End run.py by force in a stage, start it as a service manager does, try again."""

    def run(ground: Ground) -> Seen:
        new = release(ground)
        updating = ground.begin_update()
        ground.await_stage(stage, updating)
        ground.served.kill()
        updating.wait(60)
        ground.serve_again()
        return tried_again(ground, new, goes_on=stage in SWITCHED)

    return run


def tried_again(ground: Ground, new: Release, *, goes_on: bool) -> Seen:
    """Look what was made of it, then update to the same revision."""
    first = new.seen(0, "", new=goes_on)
    done = ground.update("--to", new.revision)
    after = "new" if first.is_new else "old"
    words = f"{after} at the next start, new when run again"
    if not first.is_right:
        words = f"WRONG at the next start: {after}, migrated: {first.is_migrated}"
    seen = new.seen_of(done, new=True, words=words)
    return seen if first.is_right else first


def killed_while_preparing(at: str) -> Run:
    """End `update` by force while it makes the release; run it again."""

    def run(ground: Ground) -> Seen:
        new = release(ground)
        folder = ground.project.home / "releases" / new.revision[:12]
        signs: dict[str, Callable[[], bool]] = {
            "folder": folder.exists,
            "check": lambda: "Checking it" in ground.project.told,
            "rehearsal": (folder.parent / "rehearsal" / "copy.sqlite3").exists,
        }
        updating = ground.begin_update()
        ground.await_that(signs[at], updating)
        updating.kill()
        updating.wait()
        first = new.seen(0, "", new=False)
        done = ground.update()
        words = "old all the while, new when run again"
        seen = new.seen_of(done, new=True, words=words)
        return seen if first.is_right else first

    return run


def power_cut(ground: Ground) -> Seen:
    """All processes end at one moment, in the middle of the switch."""
    new = release(ground)
    updating = ground.begin_update()
    ground.await_stage("switching", updating)
    ground.served.kill(with_children=True)
    updating.wait(60)
    is_pointed = ground.project.running == new.revision
    ground.serve_again()
    goes_on = ground.project.stage == "done" and is_pointed
    return tried_again(ground, new, goes_on=goes_on)


def two_at_once(ground: Ground) -> Seen:
    new = release(ground)
    updating = ground.begin_update()
    ground.await_that(lambda: "Checking it" in ground.project.told, updating)
    second = ground.update()
    updating.wait(UPDATES_WITHIN_S)
    words = f"the new one; the second was refused, exit {second.returncode}"
    seen = new.seen(updating.returncode, ground.project.told, new=True, words=words)
    assert "Another update is under way" in second.stdout
    return seen


def back_after_a_day(ground: Ground) -> Seen:
    """Update, take in and serve what a day brings, go back."""
    before = ground.project.running
    new = release(ground)
    done = ground.update()
    assert done.returncode == 0, done.stdout
    for _order in range(A_DAYS_ORDERS):
        ground.shop.kaspi.generate(1)
    # Two readings, and what is bought meanwhile.
    time.sleep(120)
    back = ground.project.run(
        *("rollback", "--watch", "2"), environment=ground.served.environment
    )
    old = Release(ground, before, new.migration)
    words = f"{A_DAYS_ORDERS} orders between"
    return old.seen_of(back, new=True, words=words)


def full_disk_at(stage: str) -> Run:
    """Leave no byte on the disk from a stage on, until the update has ended."""

    def run(ground: Ground) -> Seen:
        new = release(ground)
        ended = ground.restarts
        with filled_at(ground, stage) as updating:
            # Its end may wait for room to be noted.
            with suppress(subprocess.TimeoutExpired):
                updating.wait(FULL_FOR_S)
            was = "new" if new.seen(0, "", new=True).is_new else "old"
            was = was if ground.served.runs() else "nothing"
        updating.wait(UPDATES_WITHIN_S)
        ground.settle()
        words = f"{was} while it was full (exit {updating.returncode})"
        if ground.restarts > ended:
            words += ", the service started again"
        done = ground.update("--to", new.revision)
        return new.seen_of(done, new=True, words=f"{words}, new when there was room")

    return run


@contextmanager
def filled_at(ground: Ground, stage: str) -> Iterator[subprocess.Popen[bytes]]:
    if stage == "preparing":
        with ground.full_disk():
            yield ground.begin_update()
        return
    updating = ground.begin_update()
    ground.await_stage(stage, updating)
    with ground.full_disk():
        yield updating


def plain(name: str, run: Run) -> Case:
    return Case(name=name, where="plain", run=run)


CASES = (
    plain("good", good),
    plain("good, nothing to migrate", good_without_migration),
    plain("broken migration", broken_migration),
    plain("migration that breaks on real orders", broken_on_orders),
    plain("migration that breaks half-way, not atomic", broken_half_way),
    plain("migration that cannot go back, worker dies", no_way_back),
    plain("the same, something sent since", no_way_back_and_sent),
    plain("web does not start", silent_web),
    plain("worker dies", dying_worker),
    plain("dirty tree", dirty_tree),
    plain("rewritten history", rewritten_history),
    plain("origin not reachable", origin_away),
    plain("unsigned, --signed", unsigned),
    plain("signed, --signed", signed),
    plain("two updates at once", two_at_once),
    *(
        plain(f"killed while preparing: {at}", killed_while_preparing(at))
        for at in ("folder", "check", "rehearsal")
    ),
    *(plain(f"killed: {stage}", killed_at(stage)) for stage in IN_THE_SWITCH),
    plain("power cut in the switch", power_cut),
    plain("rollback after a day's orders", back_after_a_day),
    Case(
        name="good, a new environment by pip", where="environments", run=new_environment
    ),
    Case(name="bad requirements", where="environments", run=bad_requirements),
    Case(name="index not reachable", where="environments", run=index_away),
    *(
        Case(name=f"disk full: {stage}", where="disk", run=full_disk_at(stage))
        for stage in ("preparing", *IN_THE_SWITCH)
    ),
)
