"""Which request, task and step a thread works for, so that its traces can be joined."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# What may stand in a line of the log without changing what the line says.
SAFE = re.compile(r"[A-Za-z0-9._:-]{4,64}")

_ids: ContextVar[dict[str, str]] = ContextVar("ids", default={})  # noqa: B039


def ids() -> dict[str, str]:
    """Give the ids by their names: request, task, step, order."""
    return dict(_ids.get())


def trace() -> str:
    """Name what is done now by one id: "request=…", or "task=…", or nothing."""
    known = _ids.get()
    for name in ("request", "task"):
        if name in known:
            return f"{name}={known[name]}"
    return ""


@contextmanager
def traced(**names: str) -> Iterator[None]:
    """Let all that is written down in the block bear these ids, in this thread."""
    token = _ids.set({**_ids.get(), **names})
    try:
        yield
    finally:
        _ids.reset(token)


def begin_task(*, task: Mapping[str, Any], **_signal: Any) -> None:
    """Let what a worker does from now on bear the task's id, not the last one's."""
    name = task.get("group") or task.get("func", "")
    _ids.set({"task": str(task.get("id", ""))[:16], "job": str(name)})


def new_id() -> str:
    return secrets.token_hex(8)


def is_safe(text: str) -> bool:
    return SAFE.fullmatch(text) is not None
