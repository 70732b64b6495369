"""The guides of docs/ru inside the admin, and which page leads to which place."""
