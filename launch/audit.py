"""`run.py audit`: whether pinned packages have known holes, and what nobody knows."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from launch.console import ROOT, CannotGoOn, complain, say
from launch.venv import prepared_python

REQUIREMENTS = "requirements-dev.txt"
ALLOWED = ROOT / ".ci" / "allowed-vulnerabilities.txt"
# Asked one after the other until one knows the packages.
SERVICES = {"pypi": ("-s", "pypi"), "osv": ("-s", "osv")}
LONGEST_S = 300
# Neither well nor broken: nobody could be asked.
NOT_AUDITED = 3


@dataclass(frozen=True)
class Allowance:
    """A known hole that is put up with until a day, and why."""

    id: str
    until: date
    why: str


@dataclass(frozen=True)
class Hole:
    """A known vulnerability of a pinned package, under all its names."""

    package: str
    ids: tuple[str, ...]
    mended_in: str

    def __str__(self) -> str:
        mended = f", mended in {self.mended_in}" if self.mended_in else ""
        return f"{self.package}: {' = '.join(self.ids)}{mended}"


@dataclass
class Audit:
    """What a service said of the packages; `skipped`: those it could not judge."""

    holes: list[Hole] = field(default_factory=list)
    judged: int = 0
    skipped: list[str] = field(default_factory=list)


def audit(arguments: Sequence[str]) -> int:
    """Ask about every pinned package; 1 = a hole, 3 = some could not be judged."""
    if arguments:
        raise CannotGoOn("run.py audit takes no arguments.")
    python = prepared_python(REQUIREMENTS)
    program = python.parent / ("pip-audit.exe" if os.name == "nt" else "pip-audit")
    found, failures = ask_services(program, ROOT / REQUIREMENTS)
    allowances = read_allowances(ALLOWED.read_text("utf-8"))
    return conclude(found, failures, allowances, today=date.today())  # noqa: DTZ011


def ask_services(
    program: Path,
    requirements: Path,
    *,
    services: Mapping[str, Sequence[str]] = SERVICES,
) -> tuple[Audit, list[str]]:
    """Ask until a service has judged all; give its answer and why others did not."""
    best, failures = Audit(), []
    for service, options in services.items():
        try:
            one = _ask(program, requirements, options=options)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            failures.append(f"{service}: {error}")
            continue
        if one.judged >= best.judged:
            best = one
        if not one.skipped and one.judged:
            break
        failures.append(f"{service}: judged {one.judged} packages only")
    return best, failures


def _ask(program: Path, requirements: Path, *, options: Sequence[str]) -> Audit:
    command = [str(program), "-r", str(requirements), *options, "-f", "json"]
    done = subprocess.run(  # noqa: S603 - the program of our own environment
        [*command, "--require-hashes", "--disable-pip", "--progress-spinner", "off"],
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=LONGEST_S,
    )
    try:
        return parse_answer(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError, AttributeError):
        words = done.stderr.strip().splitlines() or ["no readable answer"]
        raise ValueError(words[-1][:300]) from None


def parse_answer(answer: dict[str, Any]) -> Audit:
    """Read pip-audit's JSON, whose exit status says nothing of what was skipped."""
    result = Audit()
    for row in answer["dependencies"]:
        if "skip_reason" in row:
            result.skipped.append(row["name"])
            continue
        result.judged += 1
        for hole in row["vulns"]:
            result.holes.append(
                Hole(
                    package=f"{row['name']} {row['version']}",
                    ids=tuple(dict.fromkeys([hole["id"], *hole.get("aliases", [])])),
                    mended_in=", ".join(hole.get("fix_versions", [])),
                )
            )
    return result


def read_allowances(text: str) -> list[Allowance]:
    """Read lines of id, last day and reason; `#` begins a comment."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            id_, until, why = line.split(maxsplit=2)
            found.append(Allowance(id_, date.fromisoformat(until), why))
        except ValueError:
            raise CannotGoOn(
                f"{ALLOWED.name}: not an id, a day like 2027-01-31 and a reason: {line}"
            ) from None
    return found


def conclude(
    found: Audit, failures: list[str], allowances: list[Allowance], *, today: date
) -> int:
    """Say what came of it, and give the exit status."""
    broken = False
    for hole in found.holes:
        fitting = [a for a in allowances if a.id in hole.ids]
        living = [a for a in fitting if a.until >= today]
        if living:
            say(f"allowed until {living[0].until}: {hole}; {living[0].why}")
            continue
        broken = True
        run_out = f" (allowed until {fitting[0].until} only)" if fitting else ""
        complain(f"KNOWN HOLE{run_out}: {hole}")
    known = {id_ for hole in found.holes for id_ in hole.ids}
    for allowance in allowances:
        if found.judged and not found.skipped and allowance.id not in known:
            say(f"{ALLOWED.name}: {allowance.id} is needed no longer: take it out")
    say(f"{found.judged} packages judged, {len(found.holes)} known holes")
    if found.skipped or not found.judged:
        for failure in failures:
            complain(failure)
        what = ", ".join(found.skipped) if found.judged else "all packages"
        complain(f"\n!!! NOT AUDITED, nobody could be asked about them: {what}")
        return 1 if broken else NOT_AUDITED
    return 1 if broken else 0
