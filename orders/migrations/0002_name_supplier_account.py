from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0001_create_tables"),
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
    ]
