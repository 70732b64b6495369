"""After a restore: finds out what was bought that the database does not know."""
