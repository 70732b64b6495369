"""What the bridge keeps about its staff beyond Django's accounts."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


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


class BackupRun(models.Model):
    """One making of a backup, whichever host made it."""

    begun_at = models.DateTimeField(_("begun"))
    ended_at = models.DateTimeField(_("made"), null=True, blank=True)
    name = models.CharField(_("name"), max_length=40, blank=True)
    size_bytes = models.BigIntegerField(_("size"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    # Made, and not, or not whole, where it should be beside this host.
    offsite_error = models.TextField(
        _("did not leave the host"), blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name or f"{self.begun_at:%d.%m.%Y}"
