"""Whose the bridge's processes are when the code is root's and the data are not."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from launch.releases import STATE


@cache
def service_account() -> dict[str, Any]:
    """Return what `Popen` must be told to run as the owner of the data.

    Nothing, unless root updates code that a user without rights runs: what root starts
    would leave files that this user cannot write.
    """
    as_whom = getattr(os, "geteuid", None)
    if as_whom is None or as_whom() != 0 or not STATE.is_dir():
        return {}
    found = STATE.stat()
    if found.st_uid == 0:
        return {}
    import pwd  # Windows has none

    name = pwd.getpwuid(found.st_uid).pw_name
    groups = os.getgrouplist(name, found.st_gid)
    return {"user": found.st_uid, "group": found.st_gid, "extra_groups": groups}


def hand_over(path: os.PathLike[str]) -> None:
    """Let a file or folder be the service account's."""
    if account := service_account():
        os.chown(path, account["user"], account["group"])
