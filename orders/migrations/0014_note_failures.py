"""Remembers what sort of failure kept orders from being read."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0013_take_out_of_supplier_orders'),
    ]

    operations = [
        migrations.AddField(
            model_name='readmark',
            name='failure',
            field=models.CharField(blank=True, choices=[('access', 'access refused'), ('down', 'out of reach'), ('incomplete', 'incomplete'), ('other', 'something else')], max_length=10, verbose_name='sort of failure'),
        ),
    ]
