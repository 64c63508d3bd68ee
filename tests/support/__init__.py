"""What tests share: phantoms, writers of raw files, and ways to run the command line."""
