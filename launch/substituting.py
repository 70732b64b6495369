"""The last list while the site is away: another process gives it out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from launch.accounts import hand_over
from launch.children import Child, pause, stop_all
from launch.releases import Release
from launch.running import CONTROL, environment_of, manage_command
from launch.scratch import new_folder

LOADS_WITHIN_S = 30.0
# On a busy machine the next site may miss its turn.
AGAIN_AFTER_S = 5.0


@dataclass
class Substitute:
    """A release's own process that listens as soon as its site does not."""

    release: Release
    _control: TemporaryDirectory[str] = field(
        default_factory=lambda: new_folder("substitute")
    )
    _child: Child | None = None
    _let_go_at: float = -AGAIN_AFTER_S
    _has_left: bool = False

    def start(self) -> None:
        hand_over(Path(self._control.name))
        environment = {**environment_of(self.release), CONTROL: self._control.name}
        command = manage_command(self.release, "substitute")
        self._child = Child("substitute", command, environment=environment)

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, or going."""
        return (
            self._has_left or self._child is None or self._child.exit_code is not None
        )

    def leave(self) -> None:
        """Let it end by itself: it notes who came, which may take a while."""
        self._has_left = True
        if self._child is not None:
            self._child.ask_to_stop()

    def await_loaded(self) -> None:
        """Wait until it is ready, or has ended: a release may have none."""
        until = time.monotonic() + LOADS_WITHIN_S
        ready = Path(self._control.name) / "ready"
        while time.monotonic() < until and not ready.exists():
            if self.has_ended:
                return
            pause()

    def let_go(self) -> None:
        """Let it leave the address to the next site for a moment; call again and again.

        It listens again should nobody come.
        """
        now = time.monotonic()
        if self._child is not None and now - self._let_go_at >= AGAIN_AFTER_S:
            self._let_go_at = now
            self._child.tell("let go")

    def stop(self) -> None:
        if self._child is not None:
            stop_all([self._child])
        self._control.cleanup()
