"""run.py's virtual environment: made once, repaired, left alone; pip is not run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from launch import venv as venv_module
from launch.console import CannotGoOn

pytestmark = pytest.mark.once


@pytest.fixture
def no_real_pip(monkeypatch):
    """Record the commands that would be run; the venv and pip always succeed."""
    ran: list[list[str]] = []

    def run(command: list[str]) -> Any:
        ran.append(command)
        if "venv" in command:
            python = venv_module.python_of(Path(command[-1]))
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text("")
        return subprocess.CompletedProcess(command, 0, stdout="3.11.7 (x)")

    monkeypatch.setattr(venv_module, "_run", run)
    monkeypatch.delenv("BRIDGE_VENV", raising=False)
    return ran


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project folder with two requirement files and nothing else."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text(f"# {name}\n")
    monkeypatch.setattr(venv_module, "ROOT", tmp_path)
    return tmp_path


def installs(ran: list[list[str]]) -> int:
    return sum("install" in command for command in ran)


def test_requirements_are_installed_once_and_again_when_they_change(root, no_real_pip):
    for _ in range(2):
        venv_module.prepared_python("requirements.txt")
    assert installs(no_real_pip) == 1
    assert "--require-hashes" in no_real_pip[-2]
    (root / "requirements.txt").write_text("changed\n")
    venv_module.prepared_python("requirements.txt")
    assert installs(no_real_pip) == 2


def test_each_requirement_file_has_its_own_stamp(root, no_real_pip):
    for _ in range(2):
        venv_module.prepared_python("requirements.txt")
        venv_module.prepared_python("requirements-dev.txt")
    assert installs(no_real_pip) == 2


def test_a_file_that_changed_meanwhile_loses_its_stamp(root, no_real_pip):
    venv_module.prepared_python("requirements-dev.txt")
    old = (root / "requirements-dev.txt").read_text()
    (root / "requirements-dev.txt").write_text("another version\n")
    venv_module.prepared_python("requirements.txt")
    (root / "requirements-dev.txt").write_text(old)
    venv_module.prepared_python("requirements-dev.txt")
    assert installs(no_real_pip) == 3


def test_an_interrupted_installation_is_repeated(root, no_real_pip, monkeypatch):
    venv_module.prepared_python("requirements.txt")
    (root / "requirements.txt").write_text("changed\n")

    def interrupted(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(venv_module, "_pip_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            venv_module.prepared_python("requirements.txt")
    assert not (root / ".venv" / venv_module.STAMP).exists()
    venv_module.prepared_python("requirements.txt")
    assert installs(no_real_pip) == 2


def test_another_python_in_the_venv_installs_again(root, no_real_pip):
    venv_module.prepared_python("requirements.txt")
    stamp = root / ".venv" / venv_module.STAMP
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.10.1"}))
    venv_module.prepared_python("requirements.txt")
    assert installs(no_real_pip) == 2


@pytest.mark.parametrize("garbage", ["", "[]", '{"python": 1}', "\x00"])
def test_a_spoilt_stamp_installs_again(root, no_real_pip, garbage):
    venv_module.prepared_python("requirements.txt")
    (root / ".venv" / venv_module.STAMP).write_text(garbage)
    venv_module.prepared_python("requirements.txt")
    assert installs(no_real_pip) == 2


def test_a_missing_network_is_one_sentence(root, monkeypatch):
    words = "WARNING: Retrying: NewConnectionError('... getaddrinfo failed')"

    def failing(command: list[str]) -> Any:
        return subprocess.CompletedProcess(command, 1, stdout=words)

    monkeypatch.setattr(venv_module, "_run", failing)
    with pytest.raises(CannotGoOn, match="connect this computer to the Internet"):
        venv_module._pip_install(Path("python"), Path("requirements.txt"))


def test_another_failure_of_pip_shows_its_words(root, monkeypatch, capsys):
    def failing(command: list[str]) -> Any:
        return subprocess.CompletedProcess(command, 1, stdout="hashes do not match")

    monkeypatch.setattr(venv_module, "_run", failing)
    with pytest.raises(CannotGoOn, match="pip's own words are above"):
        venv_module._pip_install(Path("python"), Path("requirements.txt"))
    assert "hashes do not match" in capsys.readouterr().err


def test_a_python_without_venv_is_one_sentence(root, monkeypatch):
    monkeypatch.delenv("BRIDGE_VENV", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(CannotGoOn, match="apt install python3-venv"):
        venv_module.prepared_python("requirements.txt")


@pytest.mark.slow
def test_a_real_environment_is_made_repaired_and_left_alone(root, monkeypatch, capsys):
    monkeypatch.delenv("BRIDGE_VENV", raising=False)
    (root / "requirements.txt").write_text("")
    python = venv_module.prepared_python("requirements.txt")
    assert "Making the virtual environment" in capsys.readouterr().out
    python.unlink()
    assert venv_module.prepared_python("requirements.txt") == python
    assert "Making the virtual environment" in capsys.readouterr().out
    venv_module.prepared_python("requirements.txt")
    assert capsys.readouterr().out == ""
