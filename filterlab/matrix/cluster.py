"""Where the labs of a matrix are played: Dask's local cluster, or one that there is.

The local one lives in this process and speaks to nobody: its workers are threads, one
for each lab at a time, and each lab is a process of its own below them. Workers of an
existing cluster must have one thread, and the same FilterLab; no `resources=` are
asked for, because a worker that dies then takes its neighbours' labs along.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filterlab.matrix import worker
from filterlab.matrix.edition import edition
from filterlab.matrix.refusal import Refusal

# A scheduler on the other side of the world answers within one.
_ANSWER_SECONDS = 5.0
_SCHEMES = ("tcp", "tls")
# Dask cannot do without its web server; it answers nothing, and only this machine.
_LOOPBACK = "127.0.0.1:0"
_MEND = "pip install 'filterlab[matrix]'"


@dataclass(frozen=True)
class Certificates:
    """What a `tls://` scheduler is spoken to with."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def missing(self) -> list[str]:
        """The files of these that cannot be found."""
        given = (self.authority, self.certificate, self.key)
        return [str(file) for file in given if file is not None and not file.is_file()]


def _imported(name: str) -> Any:
    """Dask, or a part of it: late, because it takes longer than most commands do."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Refusal("the matrix needs Dask, which is not installed", _MEND) from None


class Cluster:
    """A cluster that orders can be given to."""

    def __init__(self, client: Any, workers: int, far: bool) -> None:
        self._client = client
        self._dask = _imported("distributed")
        self.workers = workers
        self.far = far  # it does not share our files

    def submit(self, order: Mapping[str, Any], folder: Path) -> Any:
        """Give an order; what comes back is a future of `worker.play`'s answer."""
        here = None if self.far else str(folder)
        return self._client.submit(worker.play, dict(order), here, pure=False)

    def answers(self, futures: list[Any]) -> Any:
        """The futures as they are done; more may be added to what this returns."""
        return self._dask.as_completed(futures, loop=self._client.loop)

    def answer(self, future: Any) -> dict[str, Any]:
        """What a future that is done came to; the death of a worker is an answer."""
        try:
            found: dict[str, Any] = future.result()
        except self._dask.KilledWorker:
            return {"failed": "every worker that played it died"}
        except self._dask.CancelledError:
            return {"failed": "the cluster has lost it"}
        return found

    def cancel(self, futures: list[Any]) -> None:
        """Take back what has not begun."""
        with suppress(OSError, TimeoutError):
            self._client.cancel(futures, force=True)


@contextmanager
def cluster(
    workers: int, scheduler: str | None = None, papers: Certificates | None = None
) -> Iterator[Cluster]:
    """A cluster to play on; raises Refusal where there is none."""
    _imported("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        with _local(workers) as local:
            yield local
    else:
        with _existing(scheduler, papers or Certificates()) as existing:
            yield existing


@contextmanager
def _local(workers: int) -> Iterator[Cluster]:
    """One thread a lab, in this process; who is not on this machine hears nothing."""
    dask, distributed = _imported("dask"), _imported("distributed")
    with TemporaryDirectory(prefix="filterlab-dask-") as scratch:
        settings = {
            "temporary-directory": scratch,
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False,
            "distributed.worker.memory.terminate": False,
        }
        with (
            dask.config.set(settings),
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=False,
                dashboard_address=_LOOPBACK,
                worker_dashboard_address=_LOOPBACK,
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
            ) as local,
            distributed.Client(local, set_as_default=False) as client,
        ):
            worker.reopen()
            try:
                yield Cluster(client, workers, far=False)
            finally:
                worker.close()  # a worker that waits for its lab would wait on


@contextmanager
def _existing(address: str, papers: Certificates) -> Iterator[Cluster]:
    scheme = address.partition("://")[0]
    if "://" not in address or scheme not in _SCHEMES:
        expected = " or ".join(f"{one}://HOST:PORT" for one in _SCHEMES)
        raise Refusal(f"--scheduler {address}: expected {expected}")
    if missing := papers.missing():
        raise Refusal(f"there is no file {', '.join(missing)}")
    distributed, security = _imported("distributed"), None
    if scheme == "tls":
        # What is not given here, Dask's own configuration may say.
        given = {
            "tls_ca_file": papers.authority,
            "tls_client_cert": papers.certificate,
            "tls_client_key": papers.key,
        }
        named = {key: str(file) for key, file in given.items() if file is not None}
        security = distributed.Security(require_encryption=True, **named)
    try:
        client = distributed.Client(
            address,
            security=security,
            timeout=_ANSWER_SECONDS,
            set_as_default=False,
        )
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise Refusal(
            f"no Dask scheduler answers at {address}: {_first_line(error)}",
            "start one with: dask scheduler --host 127.0.0.1",
        ) from None
    with client:
        yield Cluster(client, _checked(client, address), far=True)


def _checked(client: Any, address: str) -> int:
    """How many workers there are; raises Refusal unless all can play our labs."""
    threads = client.nthreads()
    if not threads:
        help_ = f"start some with: dask worker {address} --nthreads 1"
        raise Refusal(f"the scheduler at {address} has no worker", help_)
    try:
        told = client.run(worker.facts)
    except Exception as error:
        # Whatever the workers raised: they cannot even import what we do.
        raise Refusal(
            f"the workers at {address} cannot play labs: {_first_line(error)}",
            "install the same FilterLab, with its extra 'matrix', where they run",
        ) from None
    ours = edition()
    others = {one: facts for one, facts in told.items() if facts["edition"] != ours}
    if others:
        named = ", ".join(f"{one} has {f['edition']}" for one, f in others.items())
        help_ = "install the same FilterLab where they run"
        raise Refusal(f"this is FilterLab {ours}, but the worker {named}", help_)
    if many := [one for one, count in threads.items() if count != 1]:
        help_ = "start them with: --nthreads 1 (and --nworkers for more of them)"
        raise Refusal(f"workers with several threads: {', '.join(sorted(many))}", help_)
    return len(threads)


def _first_line(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0]
    return said or type(error).__name__
