"""A project that is published in a bare repository, and a clone of it that runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent.parent
# What an installation has in its folder; the rest of the repository is ours.
PARTS = (
    *("alerts", "backoffice", "bridge_site", "catalog", "feeds", "launch", "locale"),
    *("orders", "plumbing", "sandbox", "static", "templates", "docs"),
)
FILES = ("run.py", "manage.py", ".env.example", ".gitignore", "requirements.txt")
GIT = ("git", "-c", "init.defaultBranch=main", "-c", "gc.auto=0")
KEYGEN = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "")


def git(folder: Path, *arguments: str) -> str:
    names = {"NAME": "A", "EMAIL": "a@example.kz"}
    who = {
        f"GIT_{of}_{n}": v for of in ("AUTHOR", "COMMITTER") for n, v in names.items()
    }
    done = subprocess.run(
        [*GIT, *arguments],
        cwd=folder,
        env={**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Published:
    """The publisher's checkout, the bare repository, and the clone that runs."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.bare = folder / "bare.git"
        self.home = folder / "home"
        self.source.mkdir(parents=True)

    def publish_first(self) -> None:
        """Publish what stands in `source`, and clone it."""
        git(self.source, "init", "--quiet")
        self.commit("The first release.")
        git(self.source.parent, "clone", "--quiet", "--bare", "source", "bare.git")
        git(self.source, "remote", "add", "origin", str(self.bare))
        git(self.source.parent, "clone", "--quiet", "bare.git", "home")

    def commit(self, why: str) -> str:
        git(self.source, "add", "--all")
        git(self.source, "commit", "--quiet", "--allow-empty", "-m", why)
        return git(self.source, "rev-parse", "HEAD")

    def publish(self, why: str, **files: str) -> str:
        """Publish a revision in which these files (`a__b` is a/b) say other things."""
        for name, text in files.items():
            file = self.source / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        revision = self.commit(why)
        git(self.source, "push", "--quiet", "--force", "origin", "HEAD")
        return revision

    def make_key(self, name: str) -> Path:
        """Make a pair of keys to sign with; returns the private one's file."""
        file = self.source.parent / name
        subprocess.run(
            [*KEYGEN, "-C", name, "-f", str(file)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return file

    def trust(self, key: Path) -> None:
        """Let the clone trust what this key has signed, and nothing else."""
        signers = self.home / ".git" / "allowed-signers"
        public = key.with_name(f"{key.name}.pub").read_text()
        signers.write_text(f'a@example.kz namespaces="git" {public}')
        git(self.home, "config", "gpg.format", "ssh")
        git(self.home, "config", "gpg.ssh.allowedSignersFile", str(signers))

    def sign(self, key: Path, *, tag: str = "") -> str:
        """Sign the last commit, or a tag upon it, and publish it; gives the commit."""
        with_key = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}")
        if tag:
            git(self.source, *with_key, "tag", "-s", "-m", tag, tag)
            git(self.source, "push", "--quiet", "origin", tag)
        else:
            git(self.source, *with_key, "commit", "--amend", "-S", "-q", "--no-edit")
            git(self.source, "push", "--quiet", "--force", "origin", "HEAD")
        return git(self.source, "rev-parse", "HEAD")

    def add(self, name: str, text: str) -> None:
        with (self.source / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def open_serve(
        self, log: IO[bytes], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start the clone's `run.py serve`, which writes to the log."""
        return subprocess.Popen(
            [sys.executable, "run.py", "serve"],
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def begin(
        self, *arguments: str, environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Begin the clone's run.py, without waiting for its end; see `told`."""
        with (self.home.parent / "run.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "run.py", *arguments],
                cwd=self.home,
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    @property
    def told(self) -> str:
        """What the run.py that was begun last has said."""
        return (self.home.parent / "run.log").read_text("utf-8", "replace")

    def run(
        self, *arguments: str, environment: dict[str, str], timeout_s: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run the clone's run.py to its end."""
        return subprocess.run(
            [sys.executable, "run.py", *arguments],
            cwd=self.home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            timeout=timeout_s,
            check=False,
        )

    @property
    def pointer(self) -> str:
        file = self.home / "releases" / "state" / "current"
        return file.read_text().strip() if file.exists() else "."

    @property
    def running(self) -> str:
        """The whole name of the revision that the pointer names."""
        name = self.pointer
        folder = self.home if name == "." else self.home / "releases" / name
        return git(folder, "rev-parse", "HEAD")

    @property
    def state(self) -> dict[str, object]:
        file = self.home / "releases" / "state" / "update.json"
        read: dict[str, object] = json.loads(file.read_text("utf-8"))
        return read

    @property
    def stage(self) -> str:
        """How far the last update has come; empty before the first."""
        try:
            return str(self.state["stage"])
        except (OSError, ValueError):
            return ""


def copy_of_the_project(folder: Path) -> None:
    """Fill a folder with what an installation is made of."""
    for name in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    (folder / "CHANGELOG.md").write_text("# Changes\n")
