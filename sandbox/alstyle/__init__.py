"""The distributor's side of the sandbox."""
