"""Al-Style's side of an order: its cart, its orders, what they hold."""
