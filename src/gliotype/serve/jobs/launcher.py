"""Start a command in a file: ``python -I -S launcher.py DESCRIPTOR MEMORY COMMAND...``.

It limits its own memory, writes its process id into the locked file that it inherited as DESCRIPTOR, and becomes
COMMAND, which then holds the lock. `gliotype.serve.jobs.process` runs it by its path, so that it starts in a few
milliseconds; nothing imports it.
"""

from __future__ import annotations

import os
import resource
import sys


def main(arguments: list[str]) -> None:
    """Become the command; exit with code 127 if it cannot be run."""
    descriptor, memory, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    # Linux counts what is written to under DATA; other systems ignore it, and AS counts unused address space.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    os.set_inheritable(descriptor, True)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
