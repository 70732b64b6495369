"""What an update is tried on: a published project, a bridge that serves, its peers."""
