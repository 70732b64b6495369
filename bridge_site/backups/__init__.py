"""Backups: made, proven by restoring them, kept by a rule, brought back."""
