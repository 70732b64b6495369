"""The site's addresses."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from bridge_site.bundle.pages import bundle_page
from bridge_site.doctor.pages import doctor_page
from bridge_site.guides.pages import guide_page
from bridge_site.health import readyz
from bridge_site.installing import manifest
from bridge_site.views import (
    overview,
    overview_count,
    overview_health,
    search_everywhere,
    search_found,
)
from orders.admin.handover import handover_urls
from orders.admin.recovery import recovery_urls

see = admin.site.admin_view
ADMIN_PATH_DEFAULT = settings.SETTING_DECLARATIONS["ADMIN_PATH"].default

# All that is for staff, under an address that may be one that nobody guesses.
staff: list[URLPattern | URLResolver] = [
    # Before the admin's own index: only the roof may know the dashboards of all apps.
    path("", see(overview)),
    path("overview/count/", see(overview_count), name="overview_count"),
    path("overview/health/", see(overview_health), name="overview_health"),
    path("search/", see(search_everywhere), name="search"),
    path("search/<str:token>/", see(search_found), name="search_found"),
    # Beside the models' own addresses, so that no model passes for chosen in the menu.
    path("orders/", include(handover_urls(see))),
    path("orders/", include(recovery_urls(see))),
    path("help/", see(guide_page), name="guides"),
    path("help/<slug:name>/", see(guide_page), name="guide"),
    path("doctor/", see(doctor_page), name="doctor"),
    path("doctor/support-file/", see(bundle_page), name="support_file"),
    path("first-day/", include("bridge_site.first_day.urls")),
    path("security/", include("bridge_site.staff.urls")),
    path("settings/", include("bridge_site.adjusting.urls")),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("", admin.site.urls),
]
urlpatterns = [
    path(f"{settings.ADMIN_PATH}/", include(staff)),
    path("readyz", readyz, name="readyz"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("feeds.urls")),
]
if settings.ADMIN_PATH == ADMIN_PATH_DEFAULT:
    # Another one is not to be told to whoever asks.
    urlpatterns.insert(0, path("", RedirectView.as_view(pattern_name="admin:index")))

handler500 = "bridge_site.outages.fault"
