"""The matrix on a Dask cluster that there is, or is not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.seal.dask_cluster import DaskCluster, free_port, tls_options
from tests.seal.matrices import Matrix, lines

ROOT = Path(__file__).parents[2]
POLICIES = "ru-2022-tspu-sni,cn-sni-rst"
WORDS = ("--tools", "shadowsocks,http-proxy", "--policies", POLICIES, "--out", "here")


@pytest.fixture
def dask(needs: Callable[..., None], tmp_path: Path) -> Iterator[DaskCluster]:
    needs("ss-server", "tinyproxy")
    folder = tmp_path / "dask"
    folder.mkdir()
    with DaskCluster(folder) as cluster:
        yield cluster


def test_a_killed_workers_cells_are_played_by_another(
    dask: DaskCluster, tmp_path: Path
) -> None:
    first, _ = dask.worker("first"), dask.worker("second")
    one = Matrix(*WORDS, "--alone", "--scheduler", dask.address, folder=tmp_path)
    one.comes_to("::")
    first.kill()
    status, said, told = one.ends()
    assert status == 0, said + told
    found = {line["id"]: line["word"] for line in lines(tmp_path / "here")}
    assert len(found) == 4
    assert found["matrix::http-proxy::ru-2022-tspu-sni"] == "blocked"
    assert found["matrix::shadowsocks::ru-2022-tspu-sni"] == "works"
    # The evidence has come along.
    for line in lines(tmp_path / "here"):
        assert (tmp_path / "here" / line["folder"] / "result.json").is_file()


def test_a_scheduler_is_spoken_to_over_tls(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("ss-server", "openssl")
    # For both ends of a connection at a time, as Dask's own documentation has it.
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    command += ["-subj", "/CN=dask", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    files = [certificate, certificate, key]
    folder = tmp_path / "dask"
    folder.mkdir()
    words = ["--tools", "shadowsocks", "--policies", "open"]
    papers = ["--tls-ca", "--tls-cert", "--tls-key"]
    given = [w for pair in zip(papers, map(str, files), strict=True) for w in pair]
    with DaskCluster(folder, "tls", *tls_options(files)) as cluster:
        cluster.worker("only")
        words += ["--scheduler", cluster.address]
        one = Matrix(*words, *given, "--out", "here", folder=tmp_path)
        status, said, told = one.ends()
        assert status == 0, said + told
        assert "works" in said
        bare = Matrix(*words, "--out", "there", folder=tmp_path)
        status, _, told = bare.ends()
    assert status == 2
    assert "no Dask scheduler answers" in told or "TLS" in told
    assert not (tmp_path / "there").exists()


def test_nobody_answers(needs: Callable[..., None], tmp_path: Path) -> None:
    needs("ss-server")
    address = f"tcp://127.0.0.1:{free_port()}"
    one = Matrix(*WORDS, "--scheduler", address, folder=tmp_path)
    status, said, told = one.ends()
    assert (status, said) == (2, "")
    assert f"no Dask scheduler answers at {address}" in told
    assert "Traceback" not in told
    assert not (tmp_path / "here").exists()


def test_a_scheduler_without_workers(dask: DaskCluster, tmp_path: Path) -> None:
    one = Matrix(*WORDS, "--scheduler", dask.address, folder=tmp_path)
    status, _, told = one.ends()
    assert status == 2
    assert "has no worker" in told


def test_workers_of_another_edition_are_refused_before_the_first_cell(
    dask: DaskCluster, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for name in ("filterlab", "topologies", "controllers", "scenarios"):
        shutil.copytree(ROOT / name, other / name)
    with (other / "filterlab" / "matrix" / "edition.py").open("a") as file:
        file.write("# one line more than here\n")
    dask.worker("other", python_path=other)
    one = Matrix(*WORDS, "--scheduler", dask.address, folder=tmp_path)
    status, _, told = one.ends()
    assert status == 2
    assert "this is FilterLab" in told
    assert "install the same FilterLab where they run" in told
    assert not (tmp_path / "here").exists()


def test_a_worker_with_several_threads_is_refused(
    dask: DaskCluster, tmp_path: Path
) -> None:
    dask.worker("many", "--nthreads", "2")
    one = Matrix(*WORDS, "--scheduler", dask.address, folder=tmp_path)
    status, _, told = one.ends()
    assert status == 2
    assert "--nthreads 1" in told


def test_a_local_matrix_listens_to_nobody_outside(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("ss-server")
    one = Matrix(*WORDS, "--workers", "1", folder=tmp_path)
    one.comes_to("::")
    # Dask's own web server, on the loopback: 127.0.0.1 as the kernel writes it.
    for line in _sockets(one):
        assert line.split()[1].startswith("0100007F:"), line
    assert one.ends()[0] == 0


def _sockets(one: Matrix) -> list[str]:
    """The lines of /proc/net/tcp, of this machine's own network, that are its."""
    mine = set()
    for fd in Path(f"/proc/{one.process.pid}/fd").iterdir():
        try:
            target = str(fd.readlink())
        except OSError:  # it has been closed meanwhile
            continue
        if target.startswith("socket:["):
            mine.add(target[8:-1])
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    table += Path("/proc/net/tcp6").read_text().splitlines()[1:]
    return [line for line in table if line.split()[9] in mine]
