"""`run.py update` and `rollback`, with a small bridge: nothing half done, ever."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.updating.published import ROOT, Published, git
from launch import repository, scratch, serve
from launch.environment import child_environment
from launch.ports import free_port
from launch.switching import Host, Update, note_end

pytestmark = pytest.mark.once
TINY = Path(__file__).parent / "tiny"
PARTS = ("web", "dispatch", "orders", "imports")


class Tiny(Published):
    """The small bridge, published, cloned, and perhaps running."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        shutil.copytree(
            ROOT / "launch",
            self.source / "launch",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for name in ("run.py", ".env.example", ".gitignore"):
            shutil.copy(ROOT / name, self.source / name)
        shutil.copy(TINY / "manage.py", self.source / "manage.py")
        (self.source / "requirements.txt").write_text("# none\n")
        (self.source / "CHANGELOG.md").write_text("# Changes\n")
        self.behave(migrations=["1"])
        self.publish_first()
        self.port = free_port()
        (self.home / ".env").write_text(f"PORT={self.port}")
        (self.home / "var").mkdir()
        first = {"migrations": ["1"], "sequence": 0}
        (self.home / "var" / "db.json").write_text(json.dumps(first))
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.environment = {
            **child_environment(without_settings=True),
            "BRIDGE_VENV": sys.prefix,
            "TMPDIR": str(self.scratch),
        }
        self.serving: subprocess.Popen[bytes] | None = None

    def behave(self, **plan: object) -> None:
        (self.source / "plan.json").write_text(json.dumps(plan))

    def release(self, **plan: object) -> str:
        """Publish a revision that behaves so; by itself it adds a migration."""
        self.behave(**{"migrations": ["1", "2"], **plan})
        self.add("CHANGELOG.md", "- It is new.\n")
        return self.publish("Be new.")

    def update(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(
            "update", "--watch", "0.2", *arguments, environment=self.environment
        )

    def updating(self) -> subprocess.Popen[bytes]:
        """Begin an update, without waiting for its end."""
        return self.begin("update", "--watch", "0.2", environment=self.environment)

    def serve(self) -> None:
        with (self.home.parent / "serve.log").open("ab") as log:
            self.serving = self.open_serve(log, self.environment)

    def serve_well(self) -> str:
        """Start it, unless it runs; return the revision that answers with all parts."""
        if self.serving is None:
            self.serve()
        wait_for(lambda: self.answer() and self.is_settled(), self.said)
        return self.answer()

    def await_stage(self, stage: str) -> None:
        wait_for(lambda: self.stage == stage, self.said)

    def kill(self) -> None:
        if self.serving is not None:
            self.serving.kill()
            self.serving.wait()
            self.serving = None

    def answer(self) -> str:
        try:
            url = f"http://127.0.0.1:{self.port}/healthz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return str(json.load(answer)["revision"])
        except OSError:
            return ""

    def is_settled(self) -> bool:
        """Tell whether no update is under way and every part runs, once."""
        is_over = self.stage in ("", "done", "undone")
        return is_over and self.notes()[-1:] == ["starts imports"]

    def notes(self, revision: str = "") -> list[str]:
        file = self.home / "var" / "notes.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        told = [line.partition(" ") for line in lines]
        return [what for whose, _blank, what in told if revision[:12] in ("", whose)]

    def said(self) -> str:
        return (self.home.parent / "serve.log").read_text("utf-8", "replace")

    def database(self) -> dict[str, object]:
        read: dict[str, object] = json.loads((self.home / "var/db.json").read_text())
        return read

    def hold(self, where: str) -> Path:
        file = self.home / f"hold-{where}"
        file.touch()
        return file


def wait_for(claim: Callable[[], object], why: Callable[[], str]) -> None:
    until = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < until, why()
        time.sleep(0.05)


@pytest.fixture
def tiny(tmp_path) -> Iterator[Tiny]:
    tiny = Tiny(tmp_path)
    yield tiny
    for held in tiny.home.glob("hold-*"):
        held.unlink()
    tiny.kill()


def test_a_good_update_ends_workers_first_and_starts_them_last(tiny):
    old = tiny.serve_well()
    new = tiny.release()
    done = tiny.update()
    assert done.returncode == 0, done.stdout + tiny.said()
    assert "- It is new." in done.stdout
    assert tiny.answer() == new[:12] != old
    assert tiny.notes("home")[4:] == [
        "ends dispatch",
        "ends orders",
        "ends imports",
    ]
    assert tiny.notes(new) == [f"starts {name}" for name in PARTS]
    assert tiny.database()["migrations"] == ["1", "2"]
    # Whoever runs it may not be allowed to keep what Python made of it.
    folder = tiny.home / "releases" / new[:12]
    assert list(folder.glob("__pycache__/manage.*.pyc"))
    assert "there is nothing newer" in tiny.update().stdout


def test_what_is_new_is_told_and_nothing_done(tiny):
    revision = tiny.release()
    done = tiny.update("--check")
    assert "- It is new." in done.stdout
    assert revision[:12] in done.stdout
    assert not (tiny.home / "releases" / revision[:12]).exists()


def test_what_is_found_unfit_beforehand_touches_nothing(tiny):
    old = tiny.serve_well()
    for plan, why in (
        ({"check": "fails"}, "check fails"),
        ({"self_test": "fails"}, "self_test fails"),
        ({"migrate": "breaks"}, "the migration is broken"),
    ):
        tiny.release(**plan)
        done = tiny.update()
        assert done.returncode == 1
        assert why in done.stdout
    assert tiny.answer() == old
    assert tiny.notes() == [f"starts {name}" for name in PARTS]
    assert tiny.pointer == "."


def test_what_fails_in_the_switch_is_taken_back_with_the_database(tiny):
    old = tiny.serve_well()
    for plan, why in (
        ({"migrate": "breaks here"}, "the migration is broken"),
        ({"web": "dies"}, "web ended by itself"),
        ({"dispatch": "dies"}, "dispatch ended by itself"),
    ):
        tiny.release(**plan)
        done = tiny.update()
        assert done.returncode == 1
        assert why in done.stdout, done.stdout + tiny.said()
        assert tiny.pointer == "."
        assert tiny.serve_well() == old
        assert tiny.database() == {"migrations": ["1"], "sequence": 0}
    # A timer does not try it again and again.
    again = tiny.update()
    assert "was taken back" in again.stdout
    assert (again.returncode, tiny.answer()) == (0, old)


def test_the_database_stays_when_something_was_sent_since(tiny):
    old = tiny.serve_well()
    tiny.release(dispatch="sends", imports="dies")
    assert tiny.update().returncode == 1
    assert tiny.serve_well() == old
    assert tiny.database() == {"migrations": ["1", "2"], "sequence": 1}


HELD = {
    "draining": "end-imports",
    "keeping": "keep",
    "migrating": "migrate",
    "web": "start-web",
    "workers": "start-dispatch",
}


def test_killed_at_any_stage_it_goes_on_or_back_at_the_next_start(tiny):
    runs = tiny.serve_well()
    for stage, where in HELD.items():
        before = tiny.database()["migrations"]
        pointed = tiny.pointer
        after = [*before, stage]
        new = tiny.release(migrations=after)
        held = tiny.hold(where)
        updating = tiny.updating()
        tiny.await_stage(stage)
        if stage == "migrating":
            wait_for(
                lambda: tiny.database()["migrations"][-1] == "migrating", tiny.said
            )
        tiny.kill()
        assert updating.wait(60) == 1
        held.unlink()
        is_new = stage in ("web", "workers")
        runs = new[:12] if is_new else runs
        assert tiny.serve_well() == runs, stage
        assert tiny.pointer == (new[:12] if is_new else pointed), stage
        assert tiny.database()["migrations"] == (after if is_new else before), stage
        if stage == "migrating":
            assert tiny.update("--to", new).returncode == 0
            runs = tiny.serve_well()
            assert runs == new[:12]


def test_a_power_cut_in_the_switch_goes_back(tiny):
    tiny.serve_well()
    new = tiny.release()
    folder = tiny.home / "releases" / "state"
    for pointer in (".", new[:12]):
        assert tiny.update("--to", new).returncode == 0
        tiny.kill()
        # As the disk would be found: the copy made, migrated, the next not begun.
        state = {**tiny.state, "stage": "switching", "is_migrating": True}
        (folder / "update.json").write_text(json.dumps(state))
        (folder / "current").write_text(f"{pointer}\n")
        assert tiny.serve_well() != new[:12]
        assert tiny.pointer == "."
        assert tiny.database()["migrations"] == ["1"]
        # Who was killed leaves folders behind; the next one removes them.
        (mine,) = tiny.scratch.glob("bridge-*")
        assert (mine / "wanted").exists()


def test_only_folders_of_ones_own_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "STATE", tmp_path)
    left = [scratch.new_folder(purpose) for purpose in ("control", "substitute")]
    (Path(left[0].name) / "wanted").touch()
    others = tmp_path / "others"
    others.mkdir()
    (others / "file").touch()
    # Another installation's, a file, and a link that leads elsewhere.
    (tmp_path / "bridge-00000000-control-x").mkdir()
    (tmp_path / f"{scratch.OURS}file").touch()
    (tmp_path / f"{scratch.OURS}link").symlink_to(others)
    scratch.remove_left_behind()
    assert not any(Path(each.name).exists() for each in left)
    for each in left:
        each.cleanup()
    assert len(list(tmp_path.iterdir())) == 4
    assert (others / "file").exists()


def test_a_full_disk_is_waited_out_at_the_start(tiny):
    module = tiny.home / "launch" / "serve.py"
    waits = "LOOK_FOR_ROOM_EVERY_S = "
    module.write_text(module.read_text().replace(f"{waits}10.0", f"{waits}0.1"))
    held = tiny.hold("room")
    tiny.serve()
    wait_for(lambda: tiny.notes().count("finds no room") > 2, tiny.said)
    assert tiny.said().count("Make room") == 1
    assert tiny.answer() == ""
    held.unlink()
    assert tiny.serve_well()


def test_a_start_after_an_update_needs_no_room_for_its_own_note(tmp_path, monkeypatch):
    """Else the bridge would end again and again instead of waiting for room."""

    def fail(_path: Path, _text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(serve, "SERVING", tmp_path / "serving")
    monkeypatch.setattr(serve, "write_file", fail)
    serve._note_serving()
    assert not (tmp_path / "serving").exists()


def test_killed_while_taking_back_it_goes_on_taking_back(tiny):
    old = tiny.serve_well()
    tiny.release(web="dies")
    held = tiny.hold("take_back")
    with tiny.updating():
        wait_for(lambda: "is taken back" in tiny.said(), tiny.said)
        tiny.kill()
    held.unlink()
    assert tiny.serve_well() == old
    assert tiny.database()["migrations"] == ["1"]
    assert "web ended by itself" in str(tiny.state["reason"])


def test_a_stopped_bridge_is_updated_and_stays_stopped(tiny):
    new = tiny.release()
    leave_folder_half_made(tiny, new)
    # Killed, it is undone by the next one.
    held = tiny.hold("migrate")
    first = tiny.updating()
    wait_for(lambda: tiny.database()["migrations"] == ["1", "2"], tiny.said)
    first.kill()
    first.wait()
    held.unlink()
    done = tiny.update("--to", new)
    assert "was interrupted" in done.stdout
    assert done.returncode == 0
    assert tiny.answer() == ""
    assert tiny.notes(new) == ["starts web"]
    assert tiny.serve_well() == new[:12]


def leave_folder_half_made(tiny: Tiny, revision: str) -> None:
    """Leave what a power cut does that meets git while it makes the folder."""
    folder = tiny.home / "releases" / revision[:12]
    git(tiny.home, "fetch", "--quiet")
    git(tiny.home, "worktree", "add", "--quiet", "--detach", str(folder), revision)
    (tiny.home / ".git" / "worktrees" / folder.name / "locked").write_text("initial")
    (folder / "manage.py").unlink()


def test_the_second_of_two_updates_says_that_one_is_under_way(tiny):
    tiny.serve_well()
    tiny.release()
    held = tiny.hold("keep")
    first = tiny.updating()
    tiny.await_stage("keeping")
    second = tiny.update()
    assert second.returncode == 1
    assert "Another update is under way: the database is copied" in second.stdout
    held.unlink()
    assert first.wait(60) == 0


def test_a_second_bridge_of_one_folder_is_refused(tiny):
    tiny.serve_well()
    code = (
        "import sys, launch.serve as s; s.WAIT_FOR_OTHERS_S = 0; "
        "from launch.main import main; sys.exit(main(['serve']))"
    )
    second = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tiny.home,
        env=tiny.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "runs already" in second.stderr


def test_rollback_runs_the_release_before_on_the_database_as_it_is(tiny):
    old = tiny.serve_well()
    tiny.release(dispatch="sends")
    assert tiny.update().returncode == 0
    back = tiny.run("rollback", "--watch", "0.2", environment=tiny.environment)
    assert back.returncode == 0, back.stdout + tiny.said()
    assert tiny.serve_well() == old
    assert tiny.database() == {"migrations": ["1", "2"], "sequence": 1}
    # What one has just left does not come back by a timer.
    assert "was taken back" in tiny.update().stdout
    assert tiny.serve_well() == old


def test_nothing_to_go_back_to_is_said(tiny):
    done = tiny.run("rollback", environment=tiny.environment)
    assert done.returncode == 1
    assert "no release before this one" in done.stdout


def test_changed_files_are_named_and_nothing_is_done(tiny):
    tiny.release()
    (tiny.home / "plan.json").write_text('{"migrations": ["1"], "mine": 1}')
    (tiny.home / "extra.py").write_text("")
    (tiny.home / "notes of the shop.txt").write_text("")
    done = tiny.update()
    assert done.returncode == 1
    assert "plan.json" in done.stdout
    assert "extra.py" in done.stdout
    assert "notes of the shop" not in done.stdout


def test_a_rewritten_history_names_what_it_lacks(tiny):
    (tiny.source / "mine.py").write_text("")
    tiny.publish("Something that was taken away later.")
    git(tiny.home, "pull", "--quiet")
    git(tiny.source, "reset", "--quiet", "--hard", "HEAD~1")
    tiny.release()
    done = tiny.update()
    assert done.returncode == 1
    assert "was rewritten" in done.stdout
    assert "Something that was taken away later." in done.stdout
    assert "mine.py" in done.stdout


def test_an_older_revision_is_not_updated_to(tiny):
    first = git(tiny.home, "rev-parse", "HEAD")
    tiny.publish("Newer.")
    git(tiny.home, "pull", "--quiet")
    done = tiny.update("--to", first)
    assert done.returncode == 1
    assert "rollback" in done.stdout


def test_an_unreachable_origin_changes_nothing(tiny):
    tiny.bare.rename(tiny.bare.with_name("away.git"))
    done = tiny.update()
    assert done.returncode == 1
    assert "The origin cannot be asked" in done.stdout


def test_a_broken_checkout_is_told_as_whatever_keeps_an_update_from_beginning(tiny):
    """A timer's traceback is read by nobody."""
    tiny.release()
    (tiny.home / ".git" / "index").write_bytes(b"torn by a power cut")
    done = tiny.update()
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    refused = json.loads((tiny.home / "releases/state/refused.json").read_text())
    assert "index file" in refused["reason"]


def test_only_what_somebody_trusted_has_signed_comes_when_asked_so(tiny):
    mine, others = tiny.make_key("mine"), tiny.make_key("others")
    tiny.trust(mine)
    tiny.release()
    for sign in (lambda: None, lambda: tiny.sign(others)):
        sign()
        done = tiny.update("--signed")
        assert done.returncode == 1
        assert "bears no signature that is trusted" in done.stdout
        assert tiny.pointer == "."
    signed = tiny.sign(mine)
    assert tiny.update("--signed").returncode == 0
    assert tiny.pointer == signed[:12]


def test_a_signed_tag_speaks_for_its_own_commit_alone(tiny):
    key = tiny.make_key("mine")
    tiny.trust(key)
    tagged = tiny.release()
    tiny.sign(key, tag="v1")
    tiny.release()
    git(tiny.source, "push", "--quiet", "origin", "HEAD:refs/heads/v1")
    # Whoever may push makes a branch of that name, which --to means first.
    done = tiny.update("--signed", "--to", "v1")
    assert done.returncode == 1
    assert "bears no signature" in done.stdout
    git(tiny.source, "push", "--quiet", "--delete", "origin", "refs/heads/v1")
    assert tiny.update("--signed", "--to", "v1").returncode == 0
    assert tiny.pointer == tagged[:12]


def test_requirements_that_cannot_be_installed_touch_nothing(tiny):
    venv = tiny.home / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    version = subprocess.run(
        [python, "-c", "import sys; print(sys.version)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    code = (
        "from launch.venv import _digest; from pathlib import Path; "
        "print(_digest(Path('requirements.txt')))"
    )
    digest = subprocess.run(
        [python, "-c", code], cwd=tiny.home, capture_output=True, text=True, check=True
    ).stdout.strip()
    stamp = {"python": version, "files": {"requirements.txt": digest}}
    (venv / "installed.json").write_text(json.dumps(stamp))
    del tiny.environment["BRIDGE_VENV"]
    old = tiny.serve_well()
    (tiny.source / "requirements.txt").write_text("without-a-hash==1\n")
    tiny.release()
    done = tiny.update()
    assert done.returncode == 1
    assert "Installing requirements.txt failed" in done.stdout
    assert tiny.serve_well() == old
    assert tiny.pointer == "."


def test_old_releases_are_removed_beyond_the_number_kept(tiny):
    names = []
    for _time in range(3):
        names.append(tiny.release()[:12])
        assert tiny.update("--keep", "1").returncode == 0
    folders = {each.name for each in (tiny.home / "releases").iterdir()}
    assert folders & set(names) == set(names[-2:])
    listed = git(tiny.home, "worktree", "list")
    assert names[0] not in listed


def test_the_end_that_a_full_disk_does_not_take_is_noted_later(tmp_path, monkeypatch):
    file = tmp_path / "state" / "update.json"
    monkeypatch.setattr("launch.switching.UPDATE", file)
    file.parent.write_text("no folder")
    update = Update(before=".", after="b", revision_before="a", revision="b")
    update.stage = "undone"
    host = Host(bridge=None, is_serving=True, ended=update)
    note_end(host)
    assert host.is_end_told
    file.parent.unlink()
    note_end(host)
    assert (host.ended, host.is_end_told) == (None, False)
    assert json.loads(file.read_text())["stage"] == "undone"


def test_a_folder_that_the_git_of_a_killed_update_still_fills_is_removed(
    tmp_path, monkeypatch
):
    folder, real, tries = tmp_path / "release", shutil.rmtree, []

    def remove(path, **options):
        tries.append(path)
        if len(tries) > 2:
            real(path, **options)

    folder.mkdir()
    monkeypatch.setattr(shutil, "rmtree", remove)
    monkeypatch.setattr(repository, "git", lambda *_words: "")
    repository.remove_worktree(folder)
    assert not folder.exists()
