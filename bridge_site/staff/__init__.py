"""Who works here: accounts, their passwords and sessions, and who did what."""
