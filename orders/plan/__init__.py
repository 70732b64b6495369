"""What is to be asked of the peers for an order, and the rows that say it."""
