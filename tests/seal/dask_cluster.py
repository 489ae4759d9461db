"""A real Dask scheduler and workers on the loopback, as commands start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from filterlab.lab.clock import wait_for

WITHIN_SECONDS = 60.0
# Nobody is told where a dashboard would be: there is none.
_QUIET = ("--no-dashboard", "--host", "127.0.0.1")


class DaskCluster:
    """`dask scheduler` and `dask worker`s; ends with its block."""

    def __init__(self, folder: Path, scheme: str = "tcp", *papers: str) -> None:
        self.folder = folder
        self.address = f"{scheme}://127.0.0.1:{free_port()}"
        self._papers = papers
        self.workers: list[subprocess.Popen[bytes]] = []
        words = ["--protocol", scheme, "--port", self.address.rpartition(":")[2]]
        self.scheduler = self._start("scheduler", *words)
        wait_for("the scheduler", self._listens, WITHIN_SECONDS)

    def worker(
        self, name: str, *words: str, python_path: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, and wait until it has registered."""
        told = ["--nthreads", "1", "--no-nanny", "--name", name, *words]
        one = self._start("worker", self.address, *told, python_path=python_path)
        self.workers.append(one)
        log = self.folder / f"worker-{len(self.workers)}.log"
        wait_for(
            "the worker",
            lambda: (
                b"Starting established" in log.read_bytes()
                or b"Registered to" in log.read_bytes()
            ),
            WITHIN_SECONDS,
        )
        return one

    def _start(
        self, what: str, *words: str, python_path: Path | None = None
    ) -> subprocess.Popen[bytes]:
        variables = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(self.folder)}
        if python_path is not None:
            variables["PYTHONPATH"] = str(python_path)
        number = len(self.workers) + 1
        name = what if what == "scheduler" else f"worker-{number}"
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", what, *words, *_QUIET, *self._papers],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=variables,
            )

    def _listens(self) -> bool:
        port = int(self.address.rpartition(":")[2])
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0

    def __enter__(self) -> DaskCluster:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self.workers, self.scheduler):
            one.kill()
            one.wait()


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def tls_options(files: Sequence[Path]) -> list[str]:
    """The words by which `dask` commands are given authority, certificate and key."""
    names = ("--tls-ca-file", "--tls-cert", "--tls-key")
    return [w for pair in zip(names, map(str, files), strict=True) for w in pair]
