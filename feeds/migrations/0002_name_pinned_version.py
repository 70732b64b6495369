"""Calls a version pinned that was put back by hand and stays for a while."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("feeds", "0001_create_tables"),
    ]

    operations = [
        migrations.RenameField("feedbuild", "held_until", "pinned_until"),
        migrations.AlterField(
            model_name="feedbuild",
            name="pinned_until",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="pinned until"
            ),
        ),
    ]
