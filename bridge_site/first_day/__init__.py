"""The owner's first day: what must be done until the bridge works by itself."""
