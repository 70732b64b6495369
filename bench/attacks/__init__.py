"""Attacks upon a bridge, one module a kind."""
