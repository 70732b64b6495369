"""The staff's accounts; and the queue's own pages taken away."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_q.models import Failure, OrmQ, Schedule, Success

from bridge_site.staff.admin import StaffUserAdmin

# Schedules are code, a task's result may hold anything, a device's page shows its key.
for model in (Failure, OrmQ, Schedule, StaticDevice, Success, TOTPDevice, User):
    # The queue has no page where it is no table.
    if admin.site.is_registered(model):
        admin.site.unregister(model)
# Roles are declared in code; ticking a group's rights would last until the deploy.
admin.site.unregister(Group)
admin.site.register(User, StaffUserAdmin)
