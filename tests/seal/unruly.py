"""A server that leaves a daemon behind without a trace of where it came from.

The daemon has a session of its own and an empty environment; the server ignores
SIGTERM. The daemon's pid is what is said.
"""

from __future__ import annotations

import os
import signal
import socket
import sys


def main() -> None:
    """Leave the daemon, then listen on the port that is given."""
    if os.fork() == 0:
        os.setsid()
        if (pid := os.fork()) == 0:
            os.execve("/bin/sleep", ["sleep", "3600"], {})
        print(pid, flush=True)
        os._exit(0)
    os.wait()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.create_server(("", int(sys.argv[1]))):
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
