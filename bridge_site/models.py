"""What the bridge keeps about its staff beyond Django's accounts."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class TemporaryPassword(models.Model):
    """Marks an account whose password somebody else knows: it must be changed."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="temporary_password",
    )
    given_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.user_id)


class FirstDayClosed(models.Model):
    """The owner has put the first day's checklist away."""

    closed_at = models.DateTimeField()
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    def __str__(self) -> str:
        return f"{self.closed_at:%d.%m.%Y}"
