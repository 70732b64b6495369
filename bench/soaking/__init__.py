"""The rooms of `bench/soak.py`."""
