"""The marketplace's side of the sandbox."""
