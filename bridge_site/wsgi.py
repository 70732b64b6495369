"""The WSGI application."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bridge_site.settings")
application = get_wsgi_application()

from plumbing.adjusting import Watcher  # noqa: E402  (its models need the apps)

Watcher().start()
