"""Books what each line brings, by day; the nightly recount fills it in."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0009_add_commissions'),
        ("orders", "0016_hand_over_parcels"),
    ]

    operations = [
        migrations.CreateModel(
            name='Booking',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('expected', 'expected'), ('sale', 'sale'), ('return', 'return')], max_length=8, verbose_name='kind')),
                ('day', models.DateField(verbose_name='day')),
                ('brand', models.CharField(blank=True, max_length=120, verbose_name='brand')),
                ('quantity', models.IntegerField(default=0, verbose_name='pieces')),
                ('revenue_kzt', models.BigIntegerField(default=0, verbose_name='revenue, ₸')),
                ('cost_kzt', models.BigIntegerField(blank=True, null=True, verbose_name='cost, ₸')),
                ('commission_kzt', models.BigIntegerField(blank=True, null=True, verbose_name='commission, ₸')),
                ('tax_kzt', models.BigIntegerField(blank=True, null=True, verbose_name='tax, ₸')),
                ('delivery_kzt', models.BigIntegerField(default=0, verbose_name='delivery, ₸')),
                ('profit_kzt', models.BigIntegerField(blank=True, null=True, verbose_name='profit, ₸')),
                ('is_cost_final', models.BooleanField(default=False, verbose_name='cost as paid')),
                ('is_delivery_estimated', models.BooleanField(default=False, verbose_name='delivery estimated')),
            ],
            options={
                'verbose_name': 'profit',
                'verbose_name_plural': 'profit',
                'ordering': ['-day', '-pk'],
                'default_permissions': ('view',),
            },
        ),
        migrations.AddField(
            model_name='orderline',
            name='kaspi_category',
            field=models.CharField(blank=True, max_length=200, verbose_name='category at Kaspi'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('status', 'CANCELLED')), fields=['ended_at'], name='order_called_off'),
        ),
        migrations.AddField(
            model_name='booking',
            name='category',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='bookings', to='catalog.category', verbose_name='category'),
        ),
        migrations.AddField(
            model_name='booking',
            name='line',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='bookings', to='orders.orderline', verbose_name='line'),
        ),
        migrations.AddField(
            model_name='booking',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bookings', to='orders.order', verbose_name='order'),
        ),
        migrations.AddField(
            model_name='booking',
            name='product',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='catalog.product', verbose_name='product'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(fields=['day', 'kind'], name='booking_by_day'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(condition=models.Q(('kind', 'expected')), fields=['order'], name='booking_expected'),
        ),
        migrations.AddConstraint(
            model_name='booking',
            constraint=models.UniqueConstraint(condition=models.Q(('line__isnull', False)), fields=('order', 'line', 'kind'), name='booking_once_per_line'),
        ),
        migrations.AddConstraint(
            model_name='booking',
            constraint=models.UniqueConstraint(condition=models.Q(('line__isnull', True)), fields=('order', 'kind'), name='booking_once_per_order'),
        ),
        migrations.AddConstraint(
            model_name='booking',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['expected', 'sale', 'return'])), name='booking_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='booking',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('commission_kzt__isnull', False), ('cost_kzt__isnull', False), ('profit_kzt', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('revenue_kzt'), '-', models.F('cost_kzt')), '-', models.F('commission_kzt')), '-', models.F('tax_kzt')), '-', models.F('delivery_kzt'))), ('profit_kzt__isnull', False), ('tax_kzt__isnull', False)), ('profit_kzt__isnull', True), _connector='OR'), name='booking_profit_adds_up'),
        ),
    ]
