"""The `gliotype` command."""
