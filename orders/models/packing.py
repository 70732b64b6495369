"""The packer's check that a parcel holds what was ordered."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order


class ParcelCheckQuerySet(models.QuerySet["ParcelCheck"]):
    def open(self) -> ParcelCheckQuerySet:
        return self.filter(finished_at__isnull=True)

    def finished(self) -> ParcelCheckQuerySet:
        return self.filter(finished_at__isnull=False)


class ParcelCheck(models.Model):
    """Goods scanned against an order; once finished it is never changed."""

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="checks"
    )
    # What stood on the label: the waybill's number or the order's code.
    label = models.CharField(_("scanned label"), max_length=120)
    checked_by = models.CharField(_("who"), max_length=150)
    started_at = models.DateTimeField(_("begun"))
    finished_at = models.DateTimeField(_("all found"), null=True, blank=True)
    # {"<line's pk>": pieces}
    counted = models.JSONField(_("counted"), default=dict, blank=True)

    objects = ParcelCheckQuerySet.as_manager()

    class Meta:
        verbose_name = _("check of a parcel")
        verbose_name_plural = _("checks of parcels")
        ordering = ["-pk"]
        permissions = [
            ("pack_order", _("Can print waybills and check parcels")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["order"],
                name="parcelcheck_one_open",
                condition=Q(finished_at__isnull=True),
            ),
        ]
        indexes = [
            # How many parcels were checked today.
            models.Index(fields=["finished_at"], name="parcelcheck_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.checked_by}"

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def has_begun(self) -> bool:
        """Tell whether a piece was counted."""
        return any(self.counted.values())

    def pieces_of(self, line_id: int) -> int:
        return int(self.counted.get(str(line_id), 0))
