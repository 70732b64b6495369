#!/usr/bin/env python3
"""Starts the bridge: python3 run.py demo | serve | test | manage."""

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

from launch.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
