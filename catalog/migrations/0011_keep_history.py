"""Keeps who changed rules, categories and goods, and lets staff change many goods."""

import django.core.validators
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0010_ship_commissions_to_check'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='product',
            options={'ordering': ['pk'], 'permissions': [('sync_catalogue', 'Can start imports of catalogue and stock'), ('publish_product', 'Can choose which products are sold'), ('release_product', 'Can release prices from quarantine'), ('change_many_products', 'Can change many products at once')], 'verbose_name': 'product', 'verbose_name_plural': 'products'},
        ),
        migrations.CreateModel(
            name='HistoricalCategory',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('is_published', models.BooleanField(default=False, verbose_name='sold')),
                ('history_change_reason', models.CharField(blank=True, max_length=300, null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical category',
                'verbose_name_plural': 'historical categories',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalCommissionRate',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('kaspi_category', models.CharField(blank=True, help_text="Its title as Kaspi's orders name it; capitals do not matter.", max_length=200, verbose_name="or Kaspi's category")),
                ('percent', models.DecimalField(decimal_places=2, help_text='Of the price the buyer pays, VAT on the commission included.', max_digits=5, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(40)], verbose_name='Kaspi takes, %')),
                ('holds_from', models.DateField(help_text='For orders made on this day of Almaty and later, until a row of the same goods with a later day.', verbose_name='holds from')),
                ('note', models.CharField(blank=True, max_length=200, verbose_name='note')),
                ('history_change_reason', models.CharField(blank=True, max_length=300, null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('category', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='catalog.category', verbose_name='our category with its branches')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': "historical Kaspi's commission",
                'verbose_name_plural': "historical Kaspi's commissions",
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalPriceRule',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('is_active', models.BooleanField(default=True, verbose_name='in force')),
                ('brand', models.CharField(blank=True, max_length=120, verbose_name='brand')),
                ('cost_from_kzt', models.PositiveIntegerField(blank=True, null=True, verbose_name='cost from, ₸')),
                ('cost_below_kzt', models.PositiveIntegerField(blank=True, null=True, verbose_name='cost below, ₸')),
                ('base', models.CharField(choices=[('retail', 'retail price, else cost plus markup'), ('cost', 'cost plus markup')], default='retail', max_length=6, verbose_name='base')),
                ('markup_percent', models.DecimalField(decimal_places=2, default=20, max_digits=6, verbose_name='markup, %')),
                ('markup_kzt', models.PositiveIntegerField(default=0, verbose_name='markup, ₸')),
                ('commission_percent', models.DecimalField(blank=True, decimal_places=2, max_digits=5, null=True, verbose_name='own commission, %')),
                ('tax_percent', models.DecimalField(decimal_places=2, default=0, max_digits=5, verbose_name='tax, %')),
                ('delivery_kzt', models.PositiveIntegerField(default=0, verbose_name='delivery at our cost, ₸')),
                ('least_margin_percent', models.DecimalField(decimal_places=2, default=5, max_digits=6, verbose_name='least margin, % of cost')),
                ('round_to_kzt', models.PositiveIntegerField(default=10, validators=[django.core.validators.MinValueValidator(1)], verbose_name='round up to, ₸')),
                ('ending_kzt', models.PositiveIntegerField(default=0, verbose_name='ending, ₸')),
                ('history_change_reason', models.CharField(blank=True, max_length=300, null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('category', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='catalog.category', verbose_name='category with its branches')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('product', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='catalog.product', verbose_name='product')),
            ],
            options={
                'verbose_name': 'historical price rule',
                'verbose_name_plural': 'historical price rules',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalProduct',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('sku', models.CharField(db_index=True, max_length=40, verbose_name='SKU at Kaspi')),
                ('is_published', models.CharField(choices=[('yes', 'yes'), ('no', 'no'), ('category', 'as its category')], default='category', max_length=8, verbose_name='sell')),
                ('price_override_kzt', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='fixed price, ₸')),
                ('price_override_until', models.DateTimeField(blank=True, null=True, verbose_name='fixed price until')),
                ('min_price_kzt', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='least price, ₸')),
                ('safety_stock', models.PositiveIntegerField(default=0, verbose_name='units kept back')),
                ('preorder_days', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(30)], verbose_name='pre-order, days')),
                ('sells_singly', models.BooleanField(default=False, help_text='The supplier sells this product in multiples only; leftover pieces stay with us.', verbose_name='sell by the piece')),
                ('note', models.TextField(blank=True, verbose_name='note')),
                ('history_change_reason', models.CharField(blank=True, max_length=300, null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical product',
                'verbose_name_plural': 'historical products',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
    ]
