"""The site's addresses."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

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

see = admin.site.admin_view

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # Before the admin's own index: only the roof may know the dashboards of all apps.
    path("admin/", see(overview)),
    path("admin/overview/count/", see(overview_count), name="overview_count"),
    path("admin/overview/health/", see(overview_health), name="overview_health"),
    path("admin/search/", see(search_everywhere), name="search"),
    path("admin/search/<str:token>/", see(search_found), name="search_found"),
    # Beside the models' own addresses, so that no model passes for chosen in the menu.
    path("admin/orders/", include(handover_urls(see))),
    path("admin/help/", see(guide_page), name="guides"),
    path("admin/help/<slug:name>/", see(guide_page), name="guide"),
    path("admin/doctor/", see(doctor_page), name="doctor"),
    path("admin/first-day/", include("bridge_site.first_day.urls")),
    path("admin/settings/", include("bridge_site.adjusting.urls")),
    path("admin/", admin.site.urls),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("readyz", readyz, name="readyz"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("feeds.urls")),
]
