"""Code shared by several trainings."""
