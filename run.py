#!/usr/bin/env python3
"""Starts the bridge: python3 run.py demo | serve | update | test | manage."""

# Old Pythons read this file too: no syntax newer than theirs, and the version first.
import sys

if sys.version_info < (3, 10):  # noqa: UP036
    sys.stderr.write(
        "This program needs Python 3.10 or newer and was started with Python "
        + "%d.%d" % sys.version_info[:2]  # noqa: UP031
        + ": install a newer one from python.org or your system's packages, "
        + "then start run.py with it.\n"
    )
    sys.exit(1)

import os
from pathlib import Path


def chosen_release(home: Path) -> Path:
    """Return the folder whose code is to run: the one an update chose, or this one."""
    try:
        name = (home / "releases" / "state" / "current").read_text("ascii").strip()
    except (OSError, ValueError):
        return home
    release = home if name == "." else home / "releases" / Path(name).name
    if not (release / "run.py").is_file():
        sys.stderr.write(
            "The folder {} is to run and is missing: bring it back, or delete {} to "
            "run what is here.\n".format(release, home / "releases/state/current")
        )
        sys.exit(1)
    return release


home = Path(__file__).resolve().parent
release = chosen_release(home)
os.environ.pop("BRIDGE_HOME", None)
if release != home:
    os.environ["BRIDGE_HOME"] = str(home)
# Nothing but this file is the home folder's own when a release runs.
sys.path.insert(0, str(release))

from launch.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
