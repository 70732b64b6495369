"""The bridge as run.py runs it: one release's supervisor, told which parts to keep."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from launch.accounts import hand_over, service_account
from launch.children import Child, pause, rest, run_to_end, stop_all
from launch.console import HOME, CannotGoOn
from launch.environment import child_environment
from launch.releases import Release, read_json
from launch.scratch import new_folder
from launch.venv import prepared_python

# The names and the files are known to the supervisor (bridge_site.control).
CONTROL = "BRIDGE_CONTROL"
# With which `manage.py bridge` ends when the settings are not fit to start with.
WRONG_SETTINGS = 78
# … and when nothing could be prepared because a disk is full.
NO_ROOM = 74
WEB = ("web",)
WORKERS = ("dispatch", "orders", "imports")
# Longer than the supervisor gives a part to finish its calls.
PARTS_END_WITHIN_S = 100.0
WEB_WITHIN_S = 90.0
WORKERS_WITHIN_S = 90.0
ASKED_EVERY_S = 0.3
ANSWERS_WITHIN_S = 5.0


def environment_of(release: Release) -> dict[str, str]:
    """Return the environment for a release's programs."""
    environment = child_environment()
    environment.pop("BRIDGE_HOME", None)
    if release.folder != HOME:
        environment["BRIDGE_HOME"] = str(HOME)
    return environment


def manage_command(release: Release, *arguments: str) -> list[str]:
    python = prepared_python("requirements.txt", root=release.folder)
    return [str(python), str(release.manage), *arguments]


def manage_to_end(release: Release, *arguments: str) -> None:
    """Run one of a release's commands; raises `CannotGoOn` when it fails."""
    run_to_end(
        arguments[0],
        manage_command(release, *arguments),
        environment=environment_of(release),
    )


def ask_manage(release: Release, *arguments: str) -> dict[str, Any]:
    """Run a release's command that ends with us; return the JSON of its last line."""
    command = manage_command(release, *arguments, "--exit-with-parent")
    with subprocess.Popen(  # noqa: S603 - our own manage.py
        command,
        cwd=HOME,
        env=environment_of(release),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        **service_account(),
    ) as process:
        try:
            said = process.stdout.read() if process.stdout else ""
        except BaseException:
            process.kill()
            raise
    lines = said.strip().splitlines()
    if process.returncode:
        raise CannotGoOn(f"“{' '.join(arguments[:2])}” failed: {last_words(lines)}")
    told = json.loads(lines[-1])
    return told if isinstance(told, dict) else {}


def last_words(lines: Sequence[str]) -> str:
    """Return the end of what a program printed: it says most."""
    return "\n".join(line for line in lines[-6:] if line.strip()) or "it said nothing"


@dataclass
class Bridge:
    """A supervisor of one release, and its parts."""

    release: Release
    _control: TemporaryDirectory[str] = field(
        default_factory=lambda: new_folder("control")
    )
    _child: Child | None = None

    def start(self, parts: Sequence[str], *, prepare: bool = False) -> None:
        """Start the supervisor with these parts; `prepare`: bring all up to date first.

        An update has seen to that by itself.
        """
        hand_over(self._folder)
        self.want(parts)
        self._child = Child(
            "bridge",
            manage_command(
                self.release,
                *("bridge", "--exit-with-parent"),
                *["--prepare"] * prepare,
            ),
            environment={
                **environment_of(self.release),
                CONTROL: str(self._folder),
            },
        )

    def await_supervisor(self) -> None:
        """Wait until it turns, whatever parts it has; raises `CannotGoOn`."""
        until = time.monotonic() + WEB_WITHIN_S
        while not self.turns:
            self._refuse_the_fallen(())
            if time.monotonic() > until:
                raise CannotGoOn("The new release's supervisor does not start.")
            pause()

    def want(self, parts: Sequence[str]) -> None:
        """Tell the supervisor which parts shall run from now on."""
        draft = self._folder / "wanted.new"
        draft.write_text(" ".join(parts), "utf-8")
        draft.replace(self._folder / "wanted")

    def stop(self) -> None:
        """Stop all; calls to a peer are cut off, unless their part ended before."""
        if self._child is not None:
            stop_all([self._child])
        self._control.cleanup()

    @property
    def takes_turns(self) -> bool:
        """Whether its site waits until another one has let go of the address."""
        return bool(read_json(self._running).get("takes_turns"))

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code if self._child is not None else 0

    @property
    def turns(self) -> bool:
        """Tell whether its supervisor does, with whatever parts."""
        return self._running.exists()

    def await_end(self, parts: Sequence[str]) -> None:
        """Wait until these parts, wanted no longer, have ended."""
        until = time.monotonic() + PARTS_END_WITHIN_S
        while self.exit_code is None and time.monotonic() < until:
            told = self._parts()
            if told and not any(told[name]["pid"] for name in parts if name in told):
                return
            pause()

    def await_web(
        self, revision: str, *, when_ready: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until the web part answers as this revision; raises `CannotGoOn`.

        `when_ready` is called once it only waits for its turn to listen.
        """
        heard, ask_at = "nothing", 0.0
        ready = self._folder / "ready"
        until = time.monotonic() + WEB_WITHIN_S
        while time.monotonic() < until:
            self._refuse_the_fallen(WEB)
            if (told := self._parts()) and "web" not in told:
                # Of a host without the site the workers are asked alone (HOST_ROLES).
                return
            if ready.exists():
                when_ready()
            address = read_json(self._running).get("address")
            if address and time.monotonic() >= ask_at:
                heard = _asked(f"http://{address}/healthz", revision)
                if not heard:
                    return
                ask_at = time.monotonic() + ASKED_EVERY_S
            pause()
        raise CannotGoOn(
            f"The web part did not answer as {revision[:12]} within {WEB_WITHIN_S:g} s "
            f"(heard: {heard})."
        )

    def await_workers(self, *, steady_s: float) -> None:
        """Wait until all workers have shown life and lived on for a while."""
        until = time.monotonic() + WORKERS_WITHIN_S
        seen_at = 0.0
        while time.monotonic() < until + steady_s:
            self._refuse_the_fallen((*WEB, *WORKERS))
            told = self._parts()
            here = [name for name in WORKERS if name in told]
            if told and all(told[name]["seen"] for name in here):
                seen_at = seen_at or time.monotonic()
                if time.monotonic() - seen_at >= steady_s:
                    return
            rest(ASKED_EVERY_S)
        raise CannotGoOn("The workers showed no sign of life in time.")

    def _refuse_the_fallen(self, parts: Sequence[str]) -> None:
        if self.exit_code is not None:
            raise CannotGoOn(
                f"The bridge ended by itself with code {self.exit_code}: its log "
                f"says why."
            )
        told = self._parts()
        for name in parts:
            if name in told and told[name]["starts"] > 1:
                raise CannotGoOn(
                    f"{name} ended by itself soon after its start: its log says why."
                )

    @property
    def _folder(self) -> Path:
        return Path(self._control.name)

    @property
    def _running(self) -> Path:
        return self._folder / "running.json"

    def _parts(self) -> dict[str, dict[str, int]]:
        parts: dict[str, dict[str, int]] = read_json(self._running).get("parts", {})
        return parts


def _asked(url: str, revision: str) -> str:
    """Return what is wrong with the answer; empty when it is as it should be."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWERS_WITHIN_S) as answer:
            told = json.load(answer)
    except (OSError, ValueError) as error:
        return str(error)
    runs = str(told.get("revision", ""))
    return "" if runs and revision.startswith(runs) else f"revision {runs or 'unknown'}"
