"""Marks one row of an order, to count orders quickly; the recount fills it in."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0018_say_why_steps_wait"),
    ]

    operations = [
        migrations.AddField(
            model_name='booking',
            name='counts_order',
            field=models.BooleanField(default=False, verbose_name='counts the order'),
        ),
    ]
