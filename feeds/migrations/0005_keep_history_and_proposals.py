"""Keeps who changed points of sale, and what somebody is about to save."""

import django.core.validators
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('feeds', '0004_price_by_city'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalStore',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('store_id', models.CharField(db_index=True, max_length=60, verbose_name='point id at Kaspi')),
                ('name', models.CharField(blank=True, max_length=120, verbose_name='name')),
                ('city_code', models.CharField(default='750000000', max_length=20, verbose_name='city code')),
                ('preorder_days', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(30)], verbose_name='pre-order, days')),
                ('stock_share', models.PositiveSmallIntegerField(default=1, verbose_name='share of the stock')),
                ('supplement_percent', models.DecimalField(decimal_places=2, default=0, max_digits=5, verbose_name='supplement to the price, %')),
                ('supplement_kzt', models.PositiveIntegerField(default=0, verbose_name='supplement to the price, ₸')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('history_change_reason', models.CharField(blank=True, max_length=300, null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical point of sale',
                'verbose_name_plural': 'historical points of sale',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Proposal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table', models.CharField(choices=[('product', 'products'), ('category', 'categories'), ('pricerule', 'price rules'), ('commissionrate', "Kaspi's commissions"), ('store', 'points of sale')], max_length=14, verbose_name='what')),
                ('title', models.CharField(max_length=200, verbose_name='title')),
                ('made_at', models.DateTimeField(verbose_name='made')),
                ('changes', models.JSONField(default=dict, verbose_name='changes')),
                ('errors', models.JSONField(blank=True, default=list, verbose_name='errors')),
                ('back_url', models.CharField(blank=True, max_length=1000, verbose_name='back to')),
                ('saved_at', models.DateTimeField(blank=True, null=True, verbose_name='saved')),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='author')),
            ],
            options={
                'verbose_name': 'proposed change',
                'verbose_name_plural': 'proposed changes',
                'ordering': ['-pk'],
                'indexes': [models.Index(fields=['made_at'], name='proposal_age')],
            },
        ),
    ]
