"""What brings the lab to people without Linux is sound, as far as can be told here.

`FILTERLAB_DEBOOTSTRAP=bookworm` (or another suite), as root and with debootstrap, has
the machine's script make a fresh system ready; it takes minutes and the network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT

SCRIPT = ROOT / "vagrant" / "provision.sh"
OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")
SUITE = os.environ.get("FILTERLAB_DEBOOTSTRAP")
MACHINES = (DOCS / "machines.md").read_text()
PERMITS = "kernel.apparmor_restrict_unprivileged_userns"


def test_vagrant_can_read_its_file(tmp_path: Path) -> None:
    if (vagrant := shutil.which("vagrant")) is None:
        pytest.skip("there is no vagrant")
    shutil.copytree(ROOT / "vagrant", tmp_path / "vagrant")
    for box in ("debian", "ubuntu", "somebody/else"):
        done = subprocess.run(
            [vagrant, "validate", "--ignore-provider"],
            cwd=tmp_path / "vagrant",
            env={
                **os.environ,
                "VAGRANT_HOME": str(tmp_path / "home"),
                "VAGRANT_CHECKPOINT_DISABLE": "1",
                "FILTERLAB_BOX": box,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_machine_runs_the_same_lab() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    assert os.access(SCRIPT, os.X_OK)
    assert "./lab run first-steps" in SCRIPT.read_text()
    assert 'path: "provision.sh"' in (ROOT / "vagrant" / "Vagrantfile").read_text()


def test_container_and_editor_say_which_setting_namespaces_need() -> None:
    container = (ROOT / "Containerfile").read_text()
    editor = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    options = set(re.findall(r"--security-opt (\S+)", container))
    assert len(options) == 3
    for text in (container, editor, MACHINES):
        assert PERMITS in text
    for option in options:
        assert option in MACHINES
    assert 'ENTRYPOINT ["./lab"]' in container
    comments = re.compile(r"^\s*//.*$", re.MULTILINE)
    settings = json.loads(comments.sub("", editor))
    given = set(settings["runArgs"])
    # The same three, the last by the name that editors' Docker knows.
    assert options - {"unmask=ALL"} < given
    assert "systempaths=unconfined" in given


@pytest.mark.skipif(not SUITE, reason="FILTERLAB_DEBOOTSTRAP names no suite")
def test_a_fresh_system_is_made_ready(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    subprocess.run(
        ["debootstrap", "--variant=minbase", str(SUITE), str(fresh)], check=True
    )
    # As in a real machine, somebody's home, and the right to become root.
    for command in (
        "useradd --create-home --shell /bin/bash vagrant",
        "mkdir -p /etc/sudoers.d /checkout",
        "echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/vagrant",
    ):
        subprocess.run(["chroot", str(fresh), "sh", "-c", command], check=True)
    shutil.copy("/etc/resolv.conf", fresh / "etc" / "resolv.conf")
    # The network that this test needs may be one whose certificates are the machine's.
    if OWN_CERTIFICATES.is_dir():
        within = fresh / OWN_CERTIFICATES.relative_to("/")
        shutil.copytree(OWN_CERTIFICATES, within, dirs_exist_ok=True)
    inside = (
        f"mount --make-rprivate / && mount --bind {fresh} {fresh} && cd {fresh}"
        " && mount -t proc proc proc && mount --rbind /dev dev"
        f" && mount --rbind /sys sys && mount --bind {ROOT} checkout"
        " && mkdir -p old && pivot_root . old && cd / && umount -l old"
        " && exec /checkout/vagrant/provision.sh /checkout vagrant"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as expected, 4 of 4" in done.stdout
