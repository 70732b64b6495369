"""The addresses of the owner's pages for settings."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from bridge_site.adjusting import pages

wrap = admin.site.admin_view

urlpatterns = [
    path("", wrap(pages.settings_page), name="owner_settings"),
    path("observing/", wrap(pages.observing_page), name="owner_settings_observing"),
    path("history/", wrap(pages.history_page), name="owner_settings_history"),
    path("history/<int:pk>/back/", wrap(pages.put_back), name="owner_settings_back"),
]
