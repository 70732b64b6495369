#!/usr/bin/env python3
"""Django's command line for the bridge."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

# Everybody may read what it collects, the bridge itself under another account first.
FOR_ALL = ("collectstatic",)

if __name__ == "__main__":
    if not set(FOR_ALL) & set(sys.argv[1:2]):
        # Whatever the bridge writes is for its own user only (bridge_site.modes).
        os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bridge_site.settings")
    execute_from_command_line(sys.argv)
