"""What run.py does; standard library only, for nothing is installed yet."""
