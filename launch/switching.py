"""Changes the running release for another one, or everything back to how it was.

Each stage is on the disk before it begins. Whoever starts next after a kill or a power
cut finds it there: before the pointer was switched everything goes back, after it the
new release is tried to the end.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields

from launch.children import StopAsked
from launch.console import CannotGoOn, complain, say
from launch.notifying import staying_alive
from launch.releases import (
    HISTORY,
    STATE,
    UPDATE,
    Release,
    current_release,
    point_at,
    read_json,
    write_json,
)
from launch.running import WEB, WORKERS, Bridge, ask_manage, manage_to_end
from launch.substituting import Substitute

STAGES = {
    "asked": "waiting for the bridge to take it up",
    "draining": "the workers finish what is under way; the site answers",
    "stopping": "the site stops",
    "keeping": "the database is copied",
    "migrating": "the database is brought up to date",
    "switching": "the new release becomes the one that runs",
    "web": "the site starts and is asked for its revision",
    "workers": "the workers start and are watched",
    "undoing": "it is taken back",
    "done": "done",
    "undone": "taken back",
}
OVER = ("done", "undone")
# From here on the new release is the one that starts.
SWITCHED = ("web", "workers")
UPDATES_REMEMBERED = 20
# Given back first of all when an update is taken back: the disk may be full.
RESERVE = STATE / "reserve"
RESERVED_BYTES = 16 << 20


@dataclass
class Update:
    """One change of release: from which to which, and how far it has come."""

    before: str
    after: str
    revision_before: str
    revision: str
    kind: str = "update"
    id: str = ""
    stage: str = ""
    asked_at: float = 0.0
    # The new workers are watched for so long.
    steady_s: float = 15.0
    # The copy of the database, and the number of the last write to a peer then.
    kept: str = ""
    sequence: int = -1
    is_migrating: bool = False
    reason: str = ""
    # For how long nobody answered at the site's address.
    away_s: float = 0.0

    def reach(self, stage: str) -> None:
        """Note on the disk that a stage begins."""
        self.stage = stage
        write_json(UPDATE, asdict(self))

    @property
    def is_over(self) -> bool:
        return self.stage in OVER


def last_update() -> Update | None:
    """Read the last update, or the one under way."""
    kept = read_json(UPDATE)
    known = {each.name for each in fields(Update)}
    try:
        return Update(**{name: kept[name] for name in kept if name in known})
    except TypeError:
        return None


def is_interrupted() -> bool:
    """Tell whether an update has begun and not come to its end."""
    update = last_update()
    return update is not None and not update.is_over


def ask_for(update: Update) -> None:
    """Leave an update for whoever keeps the bridge running."""
    update.id, update.asked_at = uuid.uuid4().hex[:12], time.time()
    _reserve_room()
    update.reach("asked")


def _reserve_room() -> None:
    """Keep room on the disk that the way back may need; raises `CannotGoOn`."""
    try:
        RESERVE.write_bytes(bytes(RESERVED_BYTES))
    except OSError as error:
        RESERVE.unlink(missing_ok=True)
        raise CannotGoOn(f"The disk lacks room for an update: {error}") from None


@dataclass
class Host:
    """What runs here: a bridge with all parts, or none because it is stopped."""

    bridge: Bridge | None
    # A stopped bridge is tried with the site alone, and is stopped again.
    is_serving: bool
    # The next release's supervisor, with no part yet: the site is away the shorter.
    waiting: Bridge | None = None
    # Gives out the last list in the meantime.
    substitute: Substitute | None = None
    away_since: float = 0.0
    # An update that is over and could not be noted so.
    ended: Update | None = None
    is_end_told: bool = False

    def stop(self) -> None:
        """Stop all there is."""
        self.stop_bridges()
        self.end_substitute()

    def stop_bridges(self) -> None:
        for bridge in (self.bridge, self.waiting):
            if bridge is not None:
                bridge.stop()
        self.bridge = self.waiting = None

    def make_way(self, release: Release, *, substitute: Release) -> None:
        """Stop what runs, once the next release only waits for its parts.

        The list is given out by the other release meanwhile, if one does so already.
        """
        if self.is_serving:
            self.stand_in(substitute)
        following = Bridge(release)
        following.start(())
        try:
            following.await_supervisor()
            if self.substitute is not None:
                self.substitute.await_loaded()
        except BaseException:
            following.stop()
            raise
        self.away_since = self.away_since or time.monotonic()
        self.stop_bridges()
        self.waiting = following

    def stand_in(self, release: Release) -> None:
        """Let a process of this release give out the list, unless one does so."""
        if self.substitute is not None and self.substitute.has_ended:
            self.end_substitute()
        if self.substitute is None:
            self.substitute = Substitute(release)
            self.substitute.start()

    def start(self, release: Release) -> Bridge:
        """Start the site of a release, nothing else yet."""
        if self.waiting is not None:
            self.bridge, self.waiting = self.waiting, None
            if not self.bridge.takes_turns:
                self.end_substitute()
            self.bridge.want(WEB)
        else:
            self.end_substitute()
            self.bridge = Bridge(release)
            self.bridge.start(WEB)
        return self.bridge

    def await_web(self, revision: str) -> None:
        """Wait until the site answers, in the substitute's place if there is one."""
        if self.bridge is not None:
            self.bridge.await_web(revision, when_ready=self._take_turn)
            if self.substitute is not None:
                self.substitute.leave()

    def _take_turn(self) -> None:
        if self.substitute is not None:
            self.substitute.let_go()

    def end_substitute(self) -> None:
        if self.substitute is not None:
            self.substitute.stop()
            self.substitute = None


def carry_out(update: Update, host: Host) -> bool:
    """Switch to the new release, or back; returns whether the new one runs.

    `StopAsked` leaves it where it is, for the next start.
    """
    host.away_since = 0.0
    with staying_alive():
        try:
            _go_forward(update, host)
        except StopAsked:
            host.stop()
            raise
        except (CannotGoOn, OSError, ValueError, KeyError) as error:
            _go_back(update, host, reason=str(error))
        return update.stage == "done"


def resume(host: Host) -> Update | None:
    """Bring an interrupted update to its end; returns it, or None if there is none."""
    update = last_update()
    if update is None or update.is_over:
        return None
    say(f"An update to {update.revision[:12]} was interrupted: {STAGES[update.stage]}.")
    with staying_alive():
        try:
            if update.stage in SWITCHED:
                _try_new(update, host)
            else:
                _go_back(update, host, reason=update.reason or "it was interrupted")
        except StopAsked:
            host.stop()
            raise
        except (CannotGoOn, OSError, ValueError, KeyError) as error:
            _go_back(update, host, reason=str(error))
    return update


def _go_forward(update: Update, host: Host) -> None:
    after = Release(update.after)
    if host.bridge is not None:
        _reach(update, "draining")
        host.bridge.want(WEB)
        host.bridge.await_end(WORKERS)
    if (
        update.kind == "update"
        and ask_manage(after, "update_database", "pending")["pending"]
    ):
        _reach(update, "stopping")
        host.make_way(after, substitute=Release(update.before))
        _keep(update)
        update.is_migrating = True
        _reach(update, "migrating")
        ask_manage(after, "update_database", "migrate")
    else:
        # The copy changes nothing, so the site may answer meanwhile.
        _keep(update)
        _reach(update, "stopping")
        host.make_way(after, substitute=Release(update.before))
    _reach(update, "switching")
    point_at(after)
    _try_new(update, host)


def _keep(update: Update) -> None:
    if update.kind == "update":
        _reach(update, "keeping")
        before = Release(update.before)
        kept = ask_manage(before, "update_database", "keep", update.id)
        update.kept, update.sequence = kept["file"], kept["sequence"]


def _try_new(update: Update, host: Host) -> None:
    """Start what is new and see that it lives; then the update is done."""
    bridge = host.start(Release(update.after))
    _reach(update, "web")
    host.await_web(update.revision)
    if host.away_since:
        update.away_s = round(time.monotonic() - host.away_since, 1)
    _settle(Release(update.after))
    if host.is_serving:
        _reach(update, "workers")
        bridge.want((*WEB, *WORKERS))
        bridge.await_workers(steady_s=update.steady_s)
    else:
        host.stop()
    _remember(update)
    RESERVE.unlink(missing_ok=True)
    _end(update, "done", host)


def _go_back(update: Update, host: Host, *, reason: str) -> None:
    """Let the old release run again, with its database if nothing was sent since.

    Whatever else fails on the way, a full disk above all, the old release starts.
    """
    RESERVE.unlink(missing_ok=True)
    update.reason = reason
    complain(f"The update is taken back: {reason}")
    before = Release(update.before)
    with _whatever_comes(update):
        _reach(update, "undoing")
    try:
        host.make_way(before, substitute=before)
    except (CannotGoOn, OSError) as error:
        complain(str(error))
        host.stop_bridges()
    try:
        if update.is_migrating:
            _take_database_back(update)
        if current_release() != before:
            point_at(before)
        bridge = host.start(before)
        host.await_web(update.revision_before)
        with _whatever_comes(update):
            _settle(before)
        if host.is_serving:
            bridge.want((*WEB, *WORKERS))
        else:
            host.stop()
    except (CannotGoOn, OSError) as error:
        update.reason += f"\nWhat ran before does not start either: {error}"
        complain(update.reason)
    _end(update, "undone", host)


@contextmanager
def _whatever_comes(update: Update) -> Iterator[None]:
    """Note what fails in the block, and go on."""
    try:
        yield
    except (CannotGoOn, OSError) as error:
        update.reason += f"\n{error}"
        complain(str(error))


def _end(update: Update, stage: str, host: Host) -> None:
    """Note that it is over; on a full disk, later."""
    host.end_substitute()
    update.stage, host.ended = stage, update
    say(f"Update {update.revision[:12]}: {STAGES[stage]}")
    note_end(host)


def note_end(host: Host) -> None:
    """Note the end of an update that could not be noted when it came."""
    if host.ended is None:
        return
    try:
        host.ended.reach(host.ended.stage)
    except OSError as error:
        if not host.is_end_told:
            complain(f"The update's end cannot be noted yet: {error}")
        host.is_end_told = True
        return
    host.ended, host.is_end_told = None, False


def _take_database_back(update: Update) -> None:
    """Undo the migrations, unless a write that only the database knows went out."""
    before = Release(update.before)
    try:
        now = ask_manage(before, "update_database", "sequence")["sequence"]
        if now == update.sequence:
            ask_manage(before, "update_database", "take_back", update.kept)
        else:
            say("Something was sent to a peer since: the database stays as it is.")
    except CannotGoOn as error:
        # The release before can work with what the new one's migrations made.
        update.reason += f"\nThe database stays as it is: {error}"


def _settle(release: Release) -> None:
    """Let roles and schedules be the release's."""
    for command in ("sync_roles", "sync_schedules"):
        manage_to_end(release, command)


def _reach(update: Update, stage: str) -> None:
    update.reach(stage)
    say(f"Update {update.revision[:12]}: {STAGES[stage]}")


def _remember(update: Update) -> None:
    """Keep what ran before, for a rollback."""
    entries = read_json(HISTORY).get("releases", [])
    entry = {
        "name": update.before,
        "revision": update.revision_before,
        "until": time.time(),
    }
    write_json(HISTORY, {"releases": [*entries, entry][-UPDATES_REMEMBERED:]})


def release_before() -> tuple[Release, str] | None:
    """Return the release that ran before the current one, and its revision."""
    entries = read_json(HISTORY).get("releases", [])
    for entry in reversed(entries):
        if entry["name"] != current_release().name:
            return Release(entry["name"]), entry["revision"]
    return None
