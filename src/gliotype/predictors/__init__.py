"""The methods of the literature, one file each, and their fusion."""
