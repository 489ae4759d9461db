"""The prober as a program: suspects come down standard input, answers go up.

    python -m filterlab.prober.serve

A request is {"id", "address", "port", "protocol", "kinds", "payload"}, the payload in
hexadecimal; the answer {"id", "seen": {question: reaction}, "kind"}, where `kind` is
the first one that was proved, or null. Several suspects are looked at at a time.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from filterlab.prober.judgement import is_of
from filterlab.prober.questions import questions
from filterlab.prober.reaction import Reaction, ask

_AT_A_TIME = 16  # connections; published probers open some at once to one server
_saying = threading.Lock()


def look_at(request: dict[str, Any], pool: ThreadPoolExecutor) -> dict[str, Any]:
    """Ask everything at the same time, and judge by kind, in the order given."""
    address, port, protocol = (request[k] for k in ("address", "port", "protocol"))
    payload = bytes.fromhex(request["payload"])
    authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    asked = {
        kind: {
            question.name: pool.submit(ask, address, port, question)
            for question in questions(kind, protocol, payload, authority)
        }
        for kind in request["kinds"]
    }
    proved: str | None = None
    seen: dict[str, str] = {}
    for kind, answers in asked.items():
        reactions: dict[str, Reaction] = {n: a.result() for n, a in answers.items()}
        seen |= {name: str(reaction) for name, reaction in reactions.items()}
        if proved is None and is_of(kind, reactions):
            proved = kind
    return {"id": request["id"], "seen": seen, "kind": proved}


def _answer(line: str, pool: ThreadPoolExecutor) -> None:
    answer = json.dumps(look_at(json.loads(line), pool))
    with _saying:
        print(answer, flush=True)


def main() -> int:
    """Look at suspects until standard input ends."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool, ThreadPoolExecutor() as suspects:
        waiting = [suspects.submit(_answer, line, pool) for line in sys.stdin]
        for answered in waiting:
            answered.result()
    return 0


if __name__ == "__main__":
    sys.exit(main())
