"""Calls an import by the one name that it has everywhere; no column changes."""

import django.db.models.deletion
from django.db import migrations, models

# Django makes missing permissions, and leaves the names of those that are there.
OLD_NAME = "Can start catalogue and stock readings"
NEW_NAME = "Can start imports of catalogue and stock"


def rename_permission(apps, schema_editor):
    _rename(apps, OLD_NAME, NEW_NAME)


def rename_permission_back(apps, schema_editor):
    _rename(apps, NEW_NAME, OLD_NAME)


def _rename(apps, former, name):
    permissions = apps.get_model("auth", "Permission").objects
    permissions.filter(codename="sync_catalogue", name=former).update(name=name)


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("catalog", "0004_name_quarantine"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="importrun",
            options={
                "ordering": ["-started_at", "-pk"],
                "verbose_name": "import",
                "verbose_name_plural": "imports",
            },
        ),
        migrations.AlterModelOptions(
            name="product",
            options={
                "ordering": ["pk"],
                "permissions": [
                    ("sync_catalogue", NEW_NAME),
                    ("publish_product", "Can choose which products are sold"),
                    ("release_product", "Can release prices from quarantine"),
                ],
                "verbose_name": "product",
                "verbose_name_plural": "products",
            },
        ),
        migrations.AlterField(
            model_name="productchange",
            name="run",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="changes",
                to="catalog.importrun",
                verbose_name="import",
            ),
        ),
        migrations.RunPython(rename_permission, rename_permission_back),
    ]
