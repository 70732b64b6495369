"""Tells sharp rises from falls, and remembers since when a product is in quarantine."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("catalog", "0005_name_imports"),
    ]

    operations = [
        migrations.AlterField(
            model_name="product",
            name="quarantine",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "none"),
                    ("no_cost", "no dealer price"),
                    ("no_rule", "no price rule fits"),
                    ("placeholder", "placeholder price"),
                    ("below_floor", "fixed price below the floor"),
                    ("jump", "price fell sharply"),
                    ("rise", "price rose sharply"),
                ],
                default="",
                max_length=12,
                verbose_name="quarantine",
            ),
        ),
        migrations.AddField(
            model_name="product",
            name="quarantined_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="in quarantine since"
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(
                fields=["quarantined_at"],
                name="product_quarantined_at",
                condition=Q(quarantined_at__isnull=False),
            ),
        ),
    ]
