"""The addresses of the first day's pages."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from bridge_site.first_day import pages

wrap = admin.site.admin_view

urlpatterns = [
    path("", wrap(pages.first_day_page), name="first_day"),
    path("observed/", wrap(pages.observed_page), name="first_day_observed"),
    path("close/", wrap(pages.close_first_day), name="close_first_day"),
]
