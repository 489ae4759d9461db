"""Who has to wait when there are more programs than processors.

An exchange beside the path must answer before the real server does; a real one has
hardware of its own. Here probes, servers and tools stand back for it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# nice(2): each step weighs a process at about 1.25 times less than the one before,
# so ten of them leave it a tenth of the exchange's share while both want to run.
STANDS_BACK = 10


def stand_back() -> None:
    """Let this process, and all that it starts, wait for the exchange."""
    os.nice(STANDS_BACK)
    # Where the kernel groups processes by session, the group's weight is what counts
    # (sched(7), "The autogroup feature"); most server kernels do not.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(f"{STANDS_BACK}\n")
