"""The addresses of a person's own sign-in."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from bridge_site.staff import security

see = admin.site.admin_view

urlpatterns = [
    path("", see(security.show_security), name="security"),
    path("code/", see(security.show_code), name="second_factor"),
    path("phone/", see(security.set_up), name="second_factor_set_up"),
    path("phone/off/", see(security.turn_off), name="turn_second_factor_off"),
    path("codes/", see(security.renew_codes), name="renew_recovery_codes"),
    path("sessions/", see(security.end_others), name="end_other_sessions"),
]
