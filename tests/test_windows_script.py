"""What can be told of `install.ps1` without a PowerShell: that it means something.

The script runs under `Set-StrictMode`, where a name that was never given a value ends
it half-way; and a parameter that a command does not know does so anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

pytestmark = pytest.mark.once
SCRIPT = Path(__file__).resolve().parents[1] / "deploy/windows/install.ps1"
# Set by PowerShell itself.
AUTOMATIC = {
    *("_", "null", "true", "false", "args", "lastexitcode", "matches"),
    *("psscriptroot", "erroractionpreference"),
}
# What the script may call, and the parameters of each that Windows PowerShell 5.1 has.
# More may be there; whoever needs one looks it up first.
COMMANDS = {
    "ForEach-Object": "",
    "Get-ChildItem": "Force Path",
    "Get-Command": "ErrorAction Name",
    "Get-Content": "Path",
    "Get-NetFirewallRule": "ErrorAction Name",
    "Get-ScheduledTask": "ErrorAction TaskName",
    "Get-Service": "ErrorAction Name",
    "Join-Path": "",
    "Move-Item": "Force",
    "New-Item": "Force ItemType Path",
    "New-NetFirewallRule": "Action Direction DisplayName LocalPort Name Protocol",
    "New-Object": "",
    "New-Service": "BinaryPathName DisplayName Name StartupType",
    "Out-Host": "",
    "Pop-Location": "",
    "Push-Location": "",
    "Register-ScheduledTask": "Force TaskName Xml",
    "Resolve-Path": "",
    "Set-Content": "Encoding Path Value",
    "Set-StrictMode": "Version",
    "Split-Path": "Parent",
    "Start-ScheduledTask": "TaskName",
    "Start-Service": "Name",
    "Test-Path": "",
    "Where-Object": "",
    "Write-Host": "",
}
PROGRAMS = {"git.exe", "py.exe"}


def parse(source: bytes) -> Node:
    root = Parser(Language(tree_sitter_powershell.language())).parse(source).root_node
    assert not root.has_error
    return root


def all_in(node: Node, *, but: str = "") -> Iterator[Node]:
    """Give a node and all beneath, without those beneath one of the kind `but`."""
    yield node
    for child in node.children:
        if child.type != but:
            yield from all_in(child, but=but)


def name_of(variable: Node) -> str:
    return (variable.text or b"").decode().strip("$@{}").lower()


def given(scope: Iterator[Node]) -> set[str]:
    """Name what gets a value: parameters, what is assigned, what a loop takes."""
    found: set[str] = set()
    for node in scope:
        if node.type in ("script_parameter", "left_assignment_expression"):
            found |= {name_of(n) for n in all_in(node) if n.type == "variable"}
        elif node.type == "foreach_statement":
            found.add(next(name_of(n) for n in node.children if n.type == "variable"))
    return found


def unset(root: Node) -> list[str]:
    """Name the variables that are read in a place where nothing has set them."""
    everywhere = {
        name.rpartition(":")[2] for name in given(all_in(root)) if ":" in name
    }
    everywhere |= given(all_in(root, but="function_statement")) | AUTOMATIC
    scopes = [node for node in all_in(root) if node.type == "function_statement"]
    found = []
    for scope in [root, *scopes]:
        but = "function_statement" if scope is root else ""
        known = everywhere | given(all_in(scope, but=but))
        for node in all_in(scope, but=but):
            if node.type == "variable" and not name_of(node).startswith("env:"):
                name = name_of(node).removeprefix("script:")
                found += [name] if name not in known else []
    return found


def calls(root: Node) -> Iterator[tuple[str, set[str]]]:
    """Give each command that is called, with the names of its parameters."""
    for node in all_in(root):
        if node.type != "command":
            continue
        names = [n for n in node.children if n.type == "command_name"]
        elements = [n for n in node.children if n.type == "command_elements"]
        told = [n for each in elements for n in each.children]
        if names:
            parameters = {
                (n.text or b"").decode().lstrip("-")
                for n in told
                if n.type == "command_parameter"
            }
            yield (names[0].text or b"").decode(), parameters


def test_windows_powershell_can_read_it():
    source = SCRIPT.read_bytes()
    # Without a byte order mark it would take anything else for the old code page.
    assert source.isascii()
    parse(source)
    with pytest.raises(AssertionError):
        parse(source.replace(b"{", b"(", 1))


def test_it_reads_nothing_that_was_never_set():
    source = SCRIPT.read_bytes()
    assert unset(parse(source)) == []
    # Each in a function that is called late in an installation.
    for there, instead in (
        (b"$identity.IsInRole", b"$indentity.IsInRole"),
        (b"$script:Left.Add", b"$script:Lefts.Add"),
    ):
        assert there in source
        assert unset(parse(source.replace(there, instead))) != []


def test_it_calls_what_windows_has_with_parameters_that_exist():
    root = parse(SCRIPT.read_bytes())
    own = {
        (n.children[1].text or b"").decode(): given(all_in(n))
        for n in all_in(root)
        if n.type == "function_statement"
    }
    assert len(own) > 15
    assert own.keys() <= {name for name, _parameters in calls(root)}
    for name, parameters in calls(root):
        if name in own:
            assert {p.lower() for p in parameters} <= own[name], name
        elif name not in PROGRAMS:
            assert parameters <= set(COMMANDS[name].split()), name
