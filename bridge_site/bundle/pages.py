"""The button that gives the owner the support file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from backoffice.pages import log_action
from bridge_site.bundle.packing import pack
from bridge_site.bundle.reading import name_of
from plumbing.models import Heartbeat

PERMISSION = "bridge_site.examine_bridge"


@require_POST
def bundle_page(request: HttpRequest) -> HttpResponse:
    """Make the support file and send it; nothing of it stays here."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now = timezone.now()
    name = f"{name_of(now)}.zip"
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as scratch:
        file = Path(scratch) / name
        pack(file, now=now)
        content = file.read_bytes()
    log_action(request, Heartbeat, _("A support file was made"))
    return HttpResponse(
        content,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
