"""The trail of what buyers asked us to do with their data; nothing of theirs in it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class BuyerRequest(models.Model):
    """A buyer's data were exported or erased; rows are added, never changed."""

    class Kind(models.TextChoices):
        EXPORT = "export", _("exported")
        ERASE = "erase", _("erased")

    kind = models.CharField(_("what"), max_length=6, choices=Kind.choices)
    done_at = models.DateTimeField(_("when"))
    done_by = models.CharField(_("who"), max_length=150)
    # Their codes: a trail must not end with the rows it speaks of.
    orders = models.JSONField(_("orders"), default=list)

    class Meta:
        verbose_name = _("buyer's request")
        verbose_name_plural = _("buyers' requests")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="buyerrequest_kind_known",
                condition=Q(kind__in=["export", "erase"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} №{self.pk}"
