"""Reads orders at Kaspi and stores what is there."""
