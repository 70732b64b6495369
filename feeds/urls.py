"""Where Kaspi fetches the price list."""

from __future__ import annotations

from django.urls import path

from feeds import views

urlpatterns = [path("kaspi_price_list.xml", views.price_list, name="price_list")]
