"""What a worker does: takes an order, plays its lab in a slot, and sends back findings.

Everything travels as plain values. A worker holds one slot for each lab that it plays
at a time; single-threaded workers hold one.
"""

from __future__ import annotations

import atexit
import base64
import io
import json
import os
import platform
import queue
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filterlab.matrix.edition import edition
from filterlab.matrix.inside import FINDINGS, SCENARIO
from filterlab.matrix.slot import Slot, SlotLost

# Evidence that is larger stays where it was made, and is removed.
_MOST_EVIDENCE_BYTES = 20_000_000
_LOG_BYTES = 4_000

_idle: queue.LifoQueue[Slot] = queue.LifoQueue()
_slots: list[Slot] = []
_shut = threading.Event()


def play(order: Mapping[str, Any], folder: str | None) -> dict[str, Any]:
    """Play one order: {"findings", "seconds"}, or {"failed"} with the reason.

    `folder` is where the evidence goes on a machine that shares the caller's files;
    without one it comes back as an archive.
    """
    if order["edition"] != edition():
        return {"failed": f"this worker has FilterLab {edition()}"}
    if folder is not None:
        Path(folder).mkdir(parents=True)
        return _play_in(order, Path(folder))
    with tempfile.TemporaryDirectory(prefix="filterlab-cell-") as own:
        answer = _play_in(order, Path(own))
        answer["archive"] = _archive(Path(own))
    return answer


def _play_in(order: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    for name, text in {SCENARIO: order["scenario"], **order["files"]}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    told = {key: order[key] for key in ("setting", "policy", "stages")}
    inner = {
        **told,
        "folder": str(folder.resolve()),
        "named": order["name"],
        "seed": None,
        "rootless": os.geteuid() != 0,
    }
    if _shut.is_set():
        return {"failed": "the matrix has been ended"}
    slot = _take()
    try:
        answer = slot.play(inner, order["seconds"])
    except SlotLost as lost:
        return {"failed": str(lost)}
    finally:
        _idle.put(slot)
    if answer["late"]:
        return {"failed": f"it took longer than {order['seconds']:g} s, and was ended"}
    written = folder / FINDINGS
    if answer["status"] != 0 or not written.exists():
        status = answer["status"]
        return {"failed": f"the lab ended with status {status}{_last_words(folder)}"}
    played: dict[str, Any] = json.loads(written.read_text())
    return {**played, "machine": platform.node()}


def _take() -> Slot:
    try:
        return _idle.get_nowait()
    except queue.Empty:
        slot = Slot()
        _slots.append(slot)
        return slot


def reopen() -> None:
    """Let this process play again after `close`."""
    _shut.clear()


@atexit.register
def close() -> None:
    """End all slots of this process, and whatever runs in them."""
    _shut.set()
    for slot in _slots:
        slot.close()


def _last_words(folder: Path) -> str:
    log = folder / "lab.log"
    if not log.exists():
        return ""
    said = log.read_bytes()[-_LOG_BYTES:].decode(errors="replace").strip()
    return "".join(f"\n    | {line}" for line in said.splitlines()[-12:])


def _archive(folder: Path) -> str | None:
    """The folder as text that a message can carry; None where it is too much."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".")
    if packed.tell() > _MOST_EVIDENCE_BYTES:
        return None
    return base64.b64encode(packed.getvalue()).decode()


def unpack(archive: str, folder: Path) -> None:
    """Put an archived folder's files where they belong; links and paths out do not."""
    folder.mkdir(parents=True)
    packed = io.BytesIO(base64.b64decode(archive))
    with tarfile.open(fileobj=packed) as found:
        # Not `extractall`: its filter came with Python 3.11.4.
        for member in found:
            path = (folder / member.name).resolve()
            content = found.extractfile(member) if member.isfile() else None
            if content is not None and path.is_relative_to(folder.resolve()):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


def facts() -> dict[str, str]:
    """What is asked of each worker of a cluster before the first cell."""
    unshare = shutil.which("unshare") or ""
    return {"edition": edition(), "machine": platform.node(), "unshare": unshare}
