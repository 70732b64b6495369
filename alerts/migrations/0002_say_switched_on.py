"""Calls a channel in use switched on."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0001_create_tables'),
    ]

    operations = [
        migrations.AlterField(
            model_name='channel',
            name='is_active',
            field=models.BooleanField(default=True, verbose_name='switched on'),
        ),
    ]
