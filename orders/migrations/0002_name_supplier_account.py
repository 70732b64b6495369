from django.db import migrations

ACTIONS = ("add", "change", "delete", "view")


def rename_permissions(apps, schema_editor):
    _rename(apps, "supplierpapers", "supplieraccount")


def restore_permissions(apps, schema_editor):
    _rename(apps, "supplieraccount", "supplierpapers")


def _rename(apps, old, new):
    """Django makes rights for the new name; the old ones would stay, given to nobody."""
    permissions = apps.get_model("auth", "Permission").objects
    for action in ACTIONS:
        permissions.filter(
            content_type__app_label="orders", codename=f"{action}_{old}"
        ).update(codename=f"{action}_{new}", name=f"Can {action} account at Al-Style")


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0001_create_tables"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RenameModel(old_name="SupplierPapers", new_name="SupplierAccount"),
        migrations.AlterModelOptions(
            name="supplieraccount",
            options={
                "verbose_name": "account at Al-Style",
                "verbose_name_plural": "accounts at Al-Style",
            },
        ),
        migrations.RunPython(rename_permissions, restore_permissions),
    ]
