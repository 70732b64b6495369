"""The soak's settings for whole hosts, whose waits are short with SOAK_SCALE > 1."""

from __future__ import annotations

import os

from bench.soaking.settings import *  # noqa: F403

if float(os.environ["SOAK_SCALE"]) > 1:
    INSTALLED_APPS = [*INSTALLED_APPS, "bench.several.quick.Quick"]  # noqa: F405
