"""Inside of the cage: replays a capture under a policy, and tells what was decided.

Started as `python -m filterlab.exercises.trial POLICY CAPTURE`. The policy may name a
recogniser, which is somebody's program: this process is as little trusted as that is.
One JSON object on standard output; whatever a recogniser prints goes elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from filterlab.replay.story import Replay
from filterlab.scenario.plugins import PluginError
from filterlab.scenario.policies import load_policy
from filterlab.scenario.problem import BadInput


def main() -> int:
    """Tell the lines of the replay."""
    policy, capture = sys.argv[1:]
    told = os.dup(1)
    os.dup2(2, 1)
    try:
        replay = Replay(load_policy(policy), [Path(capture)])
        lines = [line.as_json() for line in replay]
    except BadInput as bad:
        answer: dict[str, Any] = {"bad": str(bad)}
    except PluginError as error:
        # What its author wants to see is their own mistake, not how it was asked.
        cause = error.__cause__ or error
        traceback.print_exception(cause)
        return 1
    else:
        answer = {"lines": lines}
    with open(told, "w", encoding="utf-8") as out:
        json.dump(answer, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
