"""Loads a library when it is first used: most processes never use the large ones."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from django.utils.functional import SimpleLazyObject


def lazily(name: str) -> Any:
    """Return what stands for a module until something of it is asked for.

    Under `TYPE_CHECKING` the module itself is imported by the same name, so that types
    and the direction of imports are checked as ever.
    """
    return SimpleLazyObject(partial(import_module, name))
