"""Al-Style's tree of categories, and which of its branches are sold."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.models.base import kept_history


class CategoryQuerySet(models.QuerySet["Category"]):
    def present(self) -> CategoryQuerySet:
        return self.filter(gone_at=None)

    def sold(self) -> CategoryQuerySet:
        return self.filter(is_published=True)

    def parents(self) -> dict[int, int | None]:
        """Map each category's pk to its parent's."""
        return dict(self.order_by().values_list("pk", "parent_id"))


class Category(models.Model):
    """A branch of Al-Style's tree; staff choose which branches are sold."""

    supplier_id = models.CharField(_("Al-Style id"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=255)
    path = models.CharField(_("path"), max_length=1000, blank=True)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="children",
    )
    left = models.IntegerField(_("left"), default=0)
    right = models.IntegerField(_("right"), default=0)
    level = models.PositiveSmallIntegerField(_("level"), default=0)
    is_published = models.BooleanField(_("sold"), default=False)
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)

    objects = CategoryQuerySet.as_manager()
    history = kept_history(
        "supplier_id", "name", "path", "parent", "left", "right", "level", "gone_at"
    )

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["left", "pk"]
        permissions = [("publish_category", _("Can choose which categories are sold"))]

    def __str__(self) -> str:
        return self.path or self.name

    @property
    def is_gone(self) -> bool:
        return self.gone_at is not None
