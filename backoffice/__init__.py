"""The admin's furniture: what the staff's pages of all apps are made of."""
