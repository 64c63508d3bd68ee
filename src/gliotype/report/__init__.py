"""Write a `Result` as files. Knows values only."""
