from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    SystemCheckError,
)
from django.db import DatabaseError, connections

from bridge_site.control import find_control
from bridge_site.disks import is_any_full
from bridge_site.forking import CAN_FORK, begin_beside, is_forking
from bridge_site.parts import fork_nursery, load_what_parts_share
from bridge_site.preparing import make_ready
from bridge_site.processes import (
    PARTS,
    replace_with_supervisor,
    settle_address,
    supervisors_log,
    when_parent_ends,
)
from plumbing.hosts import parts_here

# run.py knows by it that nothing was started (launch.running).
WRONG_SETTINGS = 78
# By this one, that it may be tried again: a full disk passes.
NO_ROOM = 74


class Command(BaseCommand):
    help = "Runs this host's parts of the bridge: all, unless HOST_ROLES says less."
    requires_system_checks = ["bridge"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--exit-with-parent", action="store_true")
        parser.add_argument(
            "--prepare", action="store_true", help="first bring all up to date"
        )

    def check(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().check(*args, **kwargs)
        except SystemCheckError as error:
            error.returncode = WRONG_SETTINGS
            raise

    def handle(
        self, *args: Any, exit_with_parent: bool, prepare: bool, **options: Any
    ) -> None:
        try:
            is_free_later = _is_waiting() or "web" not in settings.HOST_ROLES
            listen = settle_address(settings.LISTEN, is_free_later=is_free_later)
        except ValueError as error:
            raise CommandError(str(error)) from None
        nursery: Sequence[str] = ()
        # A single part would have nobody to share with.
        forks = is_forking() and len(parts_here()) > 1
        with telling_full_disk() if prepare else nullcontext():
            if prepare:
                await_prepared = begin_beside(partial(_prepare, exit_with_parent))
            if forks:
                load_what_parts_share()
            if prepare:
                await_prepared()
        if forks:
            nursery = fork_nursery()
        replace_with_supervisor(
            listen,
            exit_with_parent=exit_with_parent,
            parts=parts_here(),
            log=supervisors_log(),
            nursery=nursery,
        )


@contextmanager
def telling_full_disk() -> Iterator[None]:
    """Let what fails in the block on a full disk end with a code of its own."""
    try:
        yield
    except (SystemExit, OSError, DatabaseError) as error:
        if not is_any_full():
            raise
        text = "The disk is full: nothing can be started."
        raise CommandError(text, returncode=NO_ROOM) from error


def _prepare(exit_with_parent: bool) -> None:  # noqa: FBT001 - called by `partial`
    if exit_with_parent and CAN_FORK:
        # In a child of its own; else it would end the supervisor like that.
        when_parent_ends(partial(os._exit, 1))
    make_ready()
    connections.close_all()


def _is_waiting() -> bool:
    """Tell whether run.py lets nothing start yet: an older release still listens."""
    control = find_control()
    return control is not None and not control.wanted(PARTS)
