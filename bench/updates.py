"""Update the bridge while orders come, and break whatever can break.

    python bench/updates.py                            all cases, SQLite and PostgreSQL
    python bench/updates.py --database sqlite --case "good" --case "killed: web"
    python bench/updates.py --list

Real: a published project in a bare repository, its clone with `run.py serve` at work,
`run.py update` in processes of their own, both peers as local servers with orders that
come every few seconds, a reader of the price list 20 times a second. Each case
publishes a release and lets something happen; then the running revision, the database
and, once all is quiet, the peers' own books are looked at. Prints a table in Markdown;
exits with 1 when anything was lost, doubled, or not as it must be.

Cases of a full disk need a small disk: Linux, and the right to mount one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.soaking.ground import empty_database
from bench.updating.cases import CASES, Case, Seen
from bench.updating.ground import Ground, open_ground, set_django_up
from launch.postgres import throw_away_server
from launch.programs import find_postgresql

DATABASES = ("sqlite", "postgresql")
PLACES = ("plain", "environments", "disk")
SMALL_DISK_MB = 700
UMOUNT = ("umount", "--lazy")
SETTLES_WITHIN_S = 300.0
HEAD = (
    "| case | runs | database | orders | lost | doubled | list away | site away |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(slots=True, kw_only=True)
class Row:
    """One line of the table."""

    database: str
    case: str
    runs: str
    migrations: str
    away_s: float
    site_s: float
    is_right: bool
    said: str
    codes: list[str]
    lost: int = 0
    doubled: int = 0
    waiting: int = 0

    @property
    def is_kept(self) -> bool:
        return self.is_right and not self.lost and not self.doubled

    def shown(self) -> str:
        mark = "" if self.is_kept else " **WRONG**"
        cells = (
            *(self.case + mark, self.runs, self.migrations, len(self.codes)),
            *(self.lost, self.doubled, f"{self.away_s:.1f} s"),
            f"{self.site_s:.1f} s" if self.site_s else "–",
        )
        return f"| {' | '.join(map(str, cells))} |"


def try_case(case: Case, ground: Ground, *, database: str, since: set[str]) -> Row:
    """Let a case happen, and note what is there afterwards."""
    ground.served.longest_gap_s = ground.served.site_gap_s = 0.0
    try:
        seen = case.run(ground)
        ground.settle()
    except (AssertionError, subprocess.TimeoutExpired) as error:
        seen = broken_off(str(error))
        ground.begin_again()
    ground.served.await_heard()
    row = Row(
        database=database,
        case=case.name,
        runs=seen.words or ("the new one" if seen.is_new else "the old one"),
        migrations="new" if seen.is_migrated else "as before",
        away_s=ground.served.longest_gap_s,
        site_s=ground.served.site_gap_s,
        is_right=seen.is_right,
        said=seen.said[-3000:],
        codes=sorted(ground.shop.codes() - since),
    )
    print(row.shown(), flush=True)
    if not row.is_right:
        print(row.said, ground.served.said[-3000:], sep="\n", file=sys.stderr)
    return row


def broken_off(why: str) -> Seen:
    return Seen(
        status=1,
        said=why,
        is_new=False,
        is_migrated=False,
        wants_new=True,
        wants_migrated=True,
        wants_status=0,
        words="it came to no end",
    )


def try_cases(
    cases: Sequence[Case],
    folder: Path,
    *,
    database: str,
    url: str,
    place: str,
    within_s: float,
) -> list[Row]:
    """Try cases of one place one after another, then judge by the peers' books.

    None is begun after `within_s`.
    """
    until = time.monotonic() + within_s
    with open_ground(
        folder,
        database_url=url,
        makes_environments=place == "environments",
        is_small_disk=place == "disk",
    ) as ground:
        rows: list[Row] = []
        since = ground.shop.codes()
        for case in cases:
            if time.monotonic() > until:
                print(f"not tried for want of time: {case.name}", flush=True)
                continue
            rows.append(try_case(case, ground, database=database, since=since))
            since |= set(rows[-1].codes)
        set_django_up(ground)
        took_s = await_quiet(ground)
        print(f"{database}, {place}: all was quiet after {took_s:.0f} s", flush=True)
        for row in rows:
            verdict = ground.shop.judge(row.codes)
            row.lost, row.doubled = len(verdict.lost), len(verdict.doubled)
            row.waiting = len(verdict.waiting)
            if verdict.lost or verdict.doubled:
                print(f"{row.case}: {verdict}", file=sys.stderr)
        if strays := ground.shop.of_nobody():
            rows[-1].doubled += len(strays)
            print(f"bought for nobody, or other goods: {strays}", file=sys.stderr)
    return rows


def await_quiet(ground: Ground) -> float:
    """Wait until the bridge has nothing to do, for a while at most; gives how long."""
    from django.db import connections

    from bench.soak import what_is_open

    ground.shop.shut()
    began = time.monotonic()
    while (took_s := time.monotonic() - began) < SETTLES_WITHIN_S:
        opened = what_is_open(ground.shop.kaspi, told=set(), observe_only=False)
        connections.close_all()
        # What was bought is read once more by and by, and judged here by the books.
        found = [each for each in opened if "was not read" not in each]
        if not found:
            break
        time.sleep(2)
    else:
        print(f"not quiet: {found[:5]}", file=sys.stderr)
    return took_s


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Give a disk of its own that is soon full."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "tmpfs"]
    subprocess.run([*mount, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*UMOUNT, str(folder)], check=True)


def can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder)):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def run_here(options: argparse.Namespace) -> int:
    """Try the cases of one database and one place in this process."""
    (database,), (place,) = options.database, options.place
    cases = [case for case in chosen(options) if case.where == place]
    programs = find_postgresql() if database == "postgresql" else None
    with (
        tempfile.TemporaryDirectory(
            prefix="bridge-updates-", ignore_cleanup_errors=True
        ) as name,
        small_disk(Path(name)) if place == "disk" else nullcontext(),
        throw_away_server(programs) if programs else nullcontext("") as server,
        empty_database(server, Path(name)) as url,
    ):
        folder = Path(name)
        rows = try_cases(
            cases,
            folder,
            database=database,
            url=url if programs else "",
            place=place,
            within_s=options.minutes * 60,
        )
        if options.keep:
            kept = Path(options.keep, f"{database}-{place}")
            logs = folder / "home" / "var" / "log"
            shutil.copytree(logs, kept, dirs_exist_ok=True)
            shutil.copy(folder / "serve.log", kept)
    if options.json:
        with options.json.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
    return 0 if all(row.is_kept for row in rows) else 1


def chosen(options: argparse.Namespace) -> list[Case]:
    if unknown := set(options.case or ()) - {case.name for case in CASES}:
        raise SystemExit(f"no such case: {', '.join(unknown)}; see --list")
    return [case for case in CASES if not options.case or case.name in options.case]


def show(rows: Sequence[Row], left_out: Sequence[str]) -> None:
    for database in DATABASES:
        mine = [row for row in rows if row.database == database]
        if mine:
            print(f"\n{database}:\n\n{HEAD}")
            print("\n".join(row.shown() for row in mine))
            waiting = sum(row.waiting for row in mine)
            print(f"\nLeft to a person, or still to be looked at: {waiting} orders")
    if left_out:
        print(f"\nLeft out: {', '.join(left_out)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=DATABASES, action="append")
    parser.add_argument("--place", choices=PLACES, action="append")
    parser.add_argument("--case", action="append", help="its name; again for more")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin none later")
    parser.add_argument("--json", type=Path, help="add the rows to this file")
    parser.add_argument("--keep", help="a folder for the bridge's own words")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{case.where:<13} {case.name}" for case in CASES))
        return 0
    if options.here:
        return run_here(options)
    left_out = []
    databases = options.database or list(DATABASES)
    if "postgresql" in databases and find_postgresql() is None:
        databases.remove("postgresql")
        left_out.append("PostgreSQL, which is not installed")
    places = [
        place
        for place in options.place or PLACES
        if any(case.where == place for case in chosen(options))
    ]
    if "disk" in places and not can_mount():
        places.remove("disk")
        left_out.append("full disks, which need the right to mount one")
    return run_apart(options, databases, places, left_out)


def run_apart(
    options: argparse.Namespace,
    databases: Sequence[str],
    places: Sequence[str],
    left_out: Sequence[str],
) -> int:
    """Try each database and place in a process of its own, as Django knows one."""
    with tempfile.TemporaryDirectory() as folder:
        file = options.json or Path(folder) / "rows.jsonl"
        again = [sys.executable, __file__, "--here", "--json", str(file)]
        again += ["--minutes", str(options.minutes)]
        again += ["--keep", options.keep] if options.keep else []
        for name in options.case or ():
            again += ["--case", name]
        codes = [
            subprocess.call([*again, "--database", database, "--place", place])
            for database in databases
            for place in places
        ]
        text = file.read_text("utf-8") if file.exists() else ""
    rows = [Row(**json.loads(line)) for line in text.splitlines()]
    show(rows, left_out)
    return max(codes, default=0)


if __name__ == "__main__":
    raise SystemExit(main())
