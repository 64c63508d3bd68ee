"""Read a study: files to `Study`."""
