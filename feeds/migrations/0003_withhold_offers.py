"""Remembers since when an offer stays on sale that should go off."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("feeds", "0002_name_pinned_version"),
    ]

    operations = [
        migrations.AddField(
            model_name="listing",
            name="withheld_since",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="withheld since"
            ),
        ),
        migrations.AddIndex(
            model_name="listing",
            index=models.Index(
                fields=["withheld_since"],
                name="listing_withheld",
                condition=Q(withheld_since__isnull=False),
            ),
        ),
    ]
