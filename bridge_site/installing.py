"""What a phone needs to know to keep the site among its programs."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

GROUND = "#17232f"
ICONS = (
    ("bridge/icons/192.png", "192x192", "any"),
    ("bridge/icons/512.png", "512x512", "any"),
    ("bridge/icons/maskable.png", "512x512", "maskable"),
)


def manifest(request: HttpRequest) -> JsonResponse:
    """Answer the web app manifest; it tells nothing that a login page does not."""
    start = reverse("admin:index")
    described = {
        "name": _("Al-Style → Kaspi"),
        "short_name": _("Bridge"),
        "lang": get_language(),
        "id": start,
        "start_url": start,
        "scope": start,
        "display": "standalone",
        "background_color": GROUND,
        "theme_color": GROUND,
        "icons": [
            {"src": static(path), "sizes": sizes, "type": "image/png", "purpose": use}
            for path, sizes, use in ICONS
        ],
        "shortcuts": [
            {"name": _("Orders"), "url": reverse("admin:orders_order_changelist")},
            {"name": _("Hand-over today"), "url": reverse("hand_over")},
        ],
    }
    return JsonResponse(described, content_type="application/manifest+json")
