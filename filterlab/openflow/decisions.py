"""`decisions.jsonl`: one line for each decision, with what finds its frame again.

Source: design, section 8.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from time import time

from filterlab.policy.verdict import Decision


class DecisionLog:
    """`decisions.jsonl`, shared by all exchanges: each line is there at once."""

    def __init__(self, path: Path):
        self._file = path.open("a", buffering=1)
        self._writing = threading.Lock()

    def write(
        self, decision: Decision, exchange: str, policy: str, frame: bytes
    ) -> None:
        """Add a decision, and what finds its frame in a capture."""
        line = decision.as_json() | {
            "exchange": exchange,
            "policy": policy,
            "frame_bytes_sha1": hashlib.sha1(frame, usedforsecurity=False).hexdigest(),
            # As captures have it; the scenario's clock may tell another time.
            "time_of_day": time(),
        }
        with self._writing:
            self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Give the file back; nothing is waiting to be written."""
        self._file.close()
