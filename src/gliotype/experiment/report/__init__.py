"""The report of an experiment as one HTML page, and all that it draws and lists as CSV."""
