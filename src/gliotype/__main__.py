"""Run the command line with ``python -m gliotype``."""

from gliotype.cli.main import main

if __name__ == "__main__":
    main()
