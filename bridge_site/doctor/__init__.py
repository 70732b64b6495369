"""The examination: what each app looks at, and the house itself, on one page."""
