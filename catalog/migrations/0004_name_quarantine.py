"""Calls the quarantine of a product by its name; the values stay."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("catalog", "0003_escape_percent_sign"),
    ]

    operations = [
        # The index is conditional on the column: it goes and comes again.
        migrations.RemoveIndex(model_name="product", name="product_hold"),
        migrations.RenameField("product", old_name="hold", new_name="quarantine"),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(
                fields=["quarantine"],
                name="product_quarantine",
                condition=~Q(quarantine=""),
            ),
        ),
    ]
