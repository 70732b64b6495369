"""The virtual environment: made, filled with the pinned requirements, repaired."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from launch.console import ROOT, CannotGoOn, complain, say
from launch.locks import FileLock, Locked

STAMP = "installed.json"
OFFLINE = (
    "newconnectionerror",
    "connection error",
    "failed to establish a new connection",
    "temporary failure in name resolution",
    "name or service not known",
    "getaddrinfo failed",
    "network is unreachable",
    "connection refused",
    "connection timed out",
    "read timed out",
    "proxyerror",
)
WAIT_FOR_OTHERS_S = 900


def prepared_python(requirements: str, *, root: Path | None = None) -> Path:
    """Return the venv's Python with everything of the requirement file installed.

    `root` is the folder whose code is meant, if not this one's. `BRIDGE_VENV` names a
    virtual environment to use as it is instead.
    """
    given = os.environ.get("BRIDGE_VENV")
    if given:
        return python_of(Path(given))
    file = (root or ROOT) / requirements
    venv = venv_for(file)
    python = python_of(venv)
    version = _version_of(python)
    if version and _is_stamped(venv, file, version):
        return python
    lock = _install_lock(file.parent)
    try:
        _install(venv, file)
    finally:
        lock.release()
    return python


def venv_for(requirements: Path) -> Path:
    """Return the folder of the environment with what the requirement file names.

    Releases that ask for the same share one; what is in use is not installed over.
    """
    folder = requirements.parent
    if folder.parent.name != "releases":
        return folder / ".venv"
    return folder.parent / "venvs" / _digest(requirements)[:16]


def python_of(venv: Path) -> Path:
    """Return where a virtual environment keeps its Python."""
    if os.name == "nt":
        return venv / "Scripts" / "python.exe"
    return venv / "bin" / "python"


def _install_lock(root: Path) -> FileLock:
    path = root / "var" / "install.lock"
    if root.parent.name == "releases":
        path = root.parent / "state" / "install.lock"
    else:
        # The first file in the folder of the data, which is nobody else's business.
        path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        return FileLock(path)
    except Locked:
        say("Another run.py is installing; waiting for it…")
    try:
        return FileLock(path, wait_s=WAIT_FOR_OTHERS_S)
    except Locked:
        raise CannotGoOn(
            "Another run.py has been installing for too long: stop it and try again."
        ) from None


def _install(venv: Path, requirements: Path) -> None:
    python = python_of(venv)
    version = _version_of(python)
    if not version or not _has_pip(python):
        say(f"Making the virtual environment {venv.name}…")
        _make(venv)
        version = _version_of(python)
        if not version:
            raise CannotGoOn(
                f"The new virtual environment does not start: delete the folder "
                f"{venv} and try again."
            )
    if _is_stamped(venv, requirements, version):
        return
    say(f"Installing {requirements.name} (a minute or two the first time)…")
    kept = _stamps_of_others(venv, requirements, version)
    (venv / STAMP).unlink(missing_ok=True)
    _pip_install(python, requirements)
    files = {**kept, requirements.name: _digest(requirements)}
    stamp = {"python": version, "files": files}
    (venv / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def _make(venv: Path) -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise CannotGoOn(
                f"This Python lacks its module {module}: install it (Debian and "
                f"Ubuntu: apt install python3-venv) and try again."
            )
    if venv.exists():
        shutil.rmtree(venv, ignore_errors=True)
    # Inside another virtual environment this names the Python it was made from.
    base = getattr(sys, "_base_executable", None) or sys.executable
    made = _run([base, "-m", "venv", str(venv)])
    if made.returncode:
        complain(made.stdout)
        raise CannotGoOn(
            "The virtual environment could not be made (the reason is above): on "
            "Debian and Ubuntu install python3-venv, elsewhere check that the disk "
            "has room and the folder is writable."
        )


def _pip_install(python: Path, requirements: Path) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--require-hashes"]
    command += ["-r", str(requirements)]
    done = _run(command)
    if done.returncode == 0:
        return
    if any(sign in done.stdout.lower() for sign in OFFLINE):
        raise CannotGoOn(
            "The packages could not be downloaded: connect this computer to the "
            "Internet (behind a proxy set HTTPS_PROXY) and try again."
        )
    complain(done.stdout)
    raise CannotGoOn(
        f"Installing {requirements.name} failed (pip's own words are above): correct "
        f"what it names and try again; what is installed already is kept."
    )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONUTF8": "1"}
    for name in ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        environment.pop(name, None)
    return subprocess.run(  # noqa: S603 - pip and venv
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _version_of(python: Path) -> str:
    """Return the version of a Python that starts; empty when it does not."""
    if not python.is_file():
        return ""
    try:
        asked = _run([str(python), "-c", "import sys; print(sys.version)"])
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _has_pip(python: Path) -> bool:
    return _run([str(python), "-m", "pip", "--version"]).returncode == 0


def _digest(requirements: Path) -> str:
    # Text mode: a checkout with Windows line ends names the same packages.
    text = requirements.read_text(encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def _is_stamped(venv: Path, requirements: Path, version: str) -> bool:
    stamp = _read_stamp(venv, version)
    return stamp.get(requirements.name) == _digest(requirements)


def _stamps_of_others(venv: Path, requirements: Path, version: str) -> dict[str, str]:
    """Return the other files' stamps that installing this file leaves true."""
    return {
        name: digest
        for name, digest in _read_stamp(venv, version).items()
        if name != requirements.name
        and (other := requirements.with_name(name)).is_file()
        and digest == _digest(other)
    }


def _read_stamp(venv: Path, version: str) -> dict[str, str]:
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
        files = stamp["files"] if stamp["python"] == version else {}
        return {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
