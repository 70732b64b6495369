"""The owner's settings: their page, their history, and how they are stored."""
