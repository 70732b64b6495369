"""Lets the points of a city add to the prices."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("feeds", "0003_withhold_offers"),
    ]

    operations = [
        migrations.AddField(
            model_name="store",
            name="supplement_percent",
            field=models.DecimalField(
                decimal_places=2,
                default=0,
                max_digits=5,
                verbose_name="supplement to the price, %",
            ),
        ),
        migrations.AddField(
            model_name="store",
            name="supplement_kzt",
            field=models.PositiveIntegerField(
                default=0, verbose_name="supplement to the price, ₸"
            ),
        ),
        migrations.AddConstraint(
            model_name="store",
            constraint=models.CheckConstraint(
                name="store_supplement_not_negative",
                condition=Q(supplement_percent__gte=0, supplement_kzt__gte=0),
                violation_error_message="A supplement cannot be negative.",
            ),
        ),
    ]
