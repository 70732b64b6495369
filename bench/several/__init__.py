"""Several hosts on one computer: what cuts, kills and suspends each of them."""
