"""What stands in the lab's way, and the command that takes it out of the way."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_UBUNTU = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_DEBIAN = Path("/proc/sys/kernel/unprivileged_userns_clone")
_LIMIT = Path("/proc/sys/user/max_user_namespaces")


class Obstacle(Exception):  # noqa: N818 - the lab's own word
    """The lab cannot work here: what is missing or forbidden, and what mends it."""

    def __init__(self, what: str, mend: str) -> None:
        """Keep both; the text shows both."""
        super().__init__(f"{what}\n  = help: {mend}")
        self.what = what
        self.mend = mend


def namespace_obstacle(rootless: bool) -> Obstacle | None:
    """Say what keeps this user from making a seal, or None when nothing does.

    The kernel's answer to a real attempt counts; the settings only explain it.
    """
    kinds = ["--net", "--mount", "--pid", "--fork", "--mount-proc"]
    user = ["--user", "--map-root-user"] if rootless else []
    try:
        tried = subprocess.run(
            ["unshare", *user, *kinds, "true"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return Obstacle("there is no unshare", "apt-get install util-linux")
    if tried.returncode == 0:
        return None
    said = tried.stderr.strip() or f"unshare: status {tried.returncode}"
    return explain_refusal(said, rootless)


def explain_refusal(said: str, rootless: bool) -> Obstacle:
    """Turn unshare's refusal into the setting behind it and the command that helps."""
    if not rootless:
        return Obstacle(
            f"this container forbids new namespaces ({said})",
            "start the container with --privileged, or with"
            " --cap-add SYS_ADMIN --security-opt seccomp=unconfined"
            " --security-opt apparmor=unconfined",
        )
    if _value(_LIMIT) == "0":
        return _setting(
            "user.max_user_namespaces is 0", "user.max_user_namespaces=15000"
        )
    if _value(_DEBIAN) == "0":
        return _setting(
            "kernel.unprivileged_userns_clone is 0",
            "kernel.unprivileged_userns_clone=1",
        )
    if _value(_UBUNTU) == "1":
        return _setting(
            "AppArmor forbids user namespaces to ordinary users"
            " (kernel.apparmor_restrict_unprivileged_userns is 1)",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if "mount /proc" in said:
        return Obstacle(
            f"parts of /proc are hidden, so that none can be mounted anew ({said})",
            "start the container with --security-opt unmask=ALL (podman), or with"
            " --security-opt systempaths=unconfined (Docker)",
        )
    return Obstacle(
        f"this system forbids user namespaces to uid {os.geteuid()} ({said})",
        "in a container: start it with --security-opt seccomp=unconfined"
        " --security-opt apparmor=unconfined; else run the lab as root",
    )


def _setting(what: str, assignment: str) -> Obstacle:
    return Obstacle(what, f"sudo sysctl -w {assignment}")


def _value(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
