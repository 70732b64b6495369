"""Adds the table of Kaspi's commission, which a rule may leave its own figure to."""

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0008_note_failures"),
    ]

    operations = [
        migrations.CreateModel(
            name="CommissionRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "kaspi_category",
                    models.CharField(
                        blank=True,
                        help_text="Its title as Kaspi's orders name it; capitals do not matter.",
                        max_length=200,
                        verbose_name="or Kaspi's category",
                    ),
                ),
                (
                    "percent",
                    models.DecimalField(
                        decimal_places=2,
                        help_text="Of the price the buyer pays, VAT on the commission included.",
                        max_digits=5,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(40),
                        ],
                        verbose_name="Kaspi takes, %",
                    ),
                ),
                (
                    "holds_from",
                    models.DateField(
                        help_text="For orders made on this day of Almaty and later, until a row of the same goods with a later day.",
                        verbose_name="holds from",
                    ),
                ),
                (
                    "note",
                    models.CharField(blank=True, max_length=200, verbose_name="note"),
                ),
                (
                    "checked_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="checked"),
                ),
                (
                    "checked_by",
                    models.CharField(
                        blank=True, max_length=150, verbose_name="checked by"
                    ),
                ),
            ],
            options={
                "verbose_name": "Kaspi's commission",
                "verbose_name_plural": "Kaspi's commissions",
                "ordering": ["category__left", "kaspi_category", "-holds_from", "pk"],
                "permissions": [
                    ("check_commissionrate", "Can confirm what Kaspi's commission is")
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="pricerule",
            name="pricerule_shares_leave_something",
        ),
        migrations.AlterField(
            model_name="pricerule",
            name="commission_percent",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                max_digits=5,
                null=True,
                verbose_name="own commission, %",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricerule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("tax_percent__gte", 0),
                    models.Q(
                        models.Q(
                            ("commission_percent__isnull", True),
                            ("tax_percent__lt", 55),
                        ),
                        models.Q(
                            ("commission_percent__gte", 0),
                            (
                                "commission_percent__lt",
                                django.db.models.expressions.CombinedExpression(
                                    models.Value(95), "-", models.F("tax_percent")
                                ),
                            ),
                        ),
                        _connector="OR",
                    ),
                ),
                name="pricerule_shares_leave_something",
                violation_error_message="Commission and tax together must stay below 95 %%.",
            ),
        ),
        migrations.AddField(
            model_name="commissionrate",
            name="category",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="commission_rates",
                to="catalog.category",
                verbose_name="our category with its branches",
            ),
        ),
        migrations.AddConstraint(
            model_name="commissionrate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("category__isnull", True), ("kaspi_category", ""), _connector="OR"
                ),
                name="commissionrate_of_one_kind_of_category",
                violation_error_message="Name one of our categories or one of Kaspi's, not both.",
            ),
        ),
        migrations.AddConstraint(
            model_name="commissionrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("percent__gte", 0), ("percent__lte", 40)),
                name="commissionrate_percent_plausible",
                violation_error_message="Kaspi's commission lies between 0 and 40 %%.",
            ),
        ),
        migrations.AddConstraint(
            model_name="commissionrate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("category__isnull", True)),
                fields=("kaspi_category", "holds_from"),
                name="commissionrate_once_a_day_at_kaspi",
                violation_error_message="There is a row of these goods and day.",
            ),
        ),
        migrations.AddConstraint(
            model_name="commissionrate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("category__isnull", False)),
                fields=("category", "holds_from"),
                name="commissionrate_once_a_day_of_ours",
                violation_error_message="There is a row of these goods and day.",
            ),
        ),
    ]
