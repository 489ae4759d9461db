"""Turns an interceptor into a mitmproxy command and the files that it reads.

mitmproxy runs its script (`filterlab.lab.interceptor`) with its own Python. The
chain of certificates is made anew for each run; who has installed its root believes in
`TRUSTED`, which holds the lab's root as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from filterlab.lab.state_authority import StateAuthority

INTERCEPTOR = "interceptor"
PORT = 8080  # mitmproxy's own default
TRUSTED = "trusted.pem"
_SCRIPT = Path(__file__).with_name("interceptor.py")


def prepare(
    folder: Path,
    port: int,
    names: Sequence[str],
    ca_file: Path,
    decisions: Path | None,
) -> list[str]:
    """Write what it needs into its folder; returns the command that intercepts.

    `decisions` is where the exchange writes down what it leads here, and from where.
    """
    state = StateAuthority.make(folder / "state")
    (folder / TRUSTED).write_bytes(ca_file.read_bytes() + state.root_file.read_bytes())
    order = {
        "names": list(names),
        "ca_file": str(ca_file),
        "decisions": str((decisions or folder / "decisions.jsonl").resolve()),
        "issuer": str(state.issuer_file),
        "issuer_key": str(state.issuer_key_file),
    }
    (folder / "interceptor.json").write_text(json.dumps(order, indent=1))
    argv = ["mitmdump", "--mode", "transparent", "--listen-port", str(port)]
    # The script itself has asked whether the origin is trusted.
    argv += ["--ssl-insecure", "--set", f"confdir={folder / 'mitmproxy'}"]
    return [*argv, "--scripts", str(_SCRIPT)]
