"""Training recipes and loops."""
