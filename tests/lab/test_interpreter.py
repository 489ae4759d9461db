"""A program out of a fork set aside does what one of a new interpreter does."""

from __future__ import annotations

import json
import subprocess
import sys

# In a process of its own: pytest's may have more threads than the one that forks.
SCRIPT = """
import json, os, signal, subprocess
from filterlab.lab.interpreter import Fork, set_aside, start_program

set_aside(2)
told = []
for number in range(3):
    one = start_program("json.tool", ["--compact"], piped=True)
    assert one.poll() is None
    one.stdin.write(b'{"a": [1, 2]}')
    one.stdin.close()
    said = one.stdout.read().decode().strip()
    told.append([isinstance(one, Fork), said, one.wait(timeout=30)])
    one.stdout.close()
set_aside(1)
asked = start_program("json.tool", piped=True)
try:
    asked.wait(timeout=0.01)
except subprocess.TimeoutExpired:
    asked.terminate()
told.append(asked.wait(timeout=30))
print(json.dumps(told))
"""


def test_a_fork_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    same = '{"a":[1,2]}', 0
    assert json.loads(done.stdout) == [
        [True, *same],
        [True, *same],
        [False, *same],
        -15,
    ]
