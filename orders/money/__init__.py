"""What orders earn: worked out, booked by day, summed up."""
