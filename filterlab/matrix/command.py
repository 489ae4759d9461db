"""`filterlab matrix`: the words of the command line made a matrix, and its answer."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer
from rich.console import Console

from filterlab.matrix import bisect as bisection
from filterlab.matrix import github
from filterlab.matrix.arguments import (
    Alone,
    AsJson,
    Bad,
    Baseline,
    Bisect,
    Expect,
    Good,
    Junit,
    Names,
    Out,
    OwnTools,
    Repeat,
    Repository,
    Scenarios,
    Scheduler,
    Seed,
    Shard,
    TimeLimit,
    TlsFile,
    Workers,
)
from filterlab.matrix.choice import DEFAULT_SCENARIO, Choice, choose, shard_of
from filterlab.matrix.cluster import Certificates, Cluster, cluster
from filterlab.matrix.expected import load_expected
from filterlab.matrix.finding import Finding
from filterlab.matrix.junit import write_junit
from filterlab.matrix.matrix import cells_of, labs, play, summarise
from filterlab.matrix.options import Options
from filterlab.matrix.page import write_report
from filterlab.matrix.record import CELLS, read
from filterlab.matrix.refusal import Refusal
from filterlab.matrix.summary import Summary
from filterlab.matrix.tally import tallies
from filterlab.matrix.view import View, print_summary
from filterlab.scenario.problem import BadInput
from filterlab.tools.bring import Commands
from filterlab.tools.commandline import (
    Dns,
    Http,
    Socks,
    ToolClient,
    ToolPort,
    ToolServer,
    Tun,
)
from filterlab.tools.installing import InstallTools, install_all

# As a shell reports a program that a signal has ended: 128 + its number.
_BY_SIGNAL = 128
# A cell takes seconds; what takes longer than this hangs.
_LIMIT_SECONDS = 60.0
_HERE = Path()
_PROCESSORS = len(os.sched_getaffinity(0))


class Interrupted(BaseException):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def matrix(
    tools: Names = "",
    policies: Names = "",
    scenarios: Scenarios = DEFAULT_SCENARIO,
    tool: OwnTools = None,
    tool_server: ToolServer = None,
    tool_client: ToolClient = None,
    tool_port: ToolPort = "443/tcp",
    socks: Socks = None,
    http: Http = None,
    tun: Tun = None,
    dns: Dns = None,
    install_tools: InstallTools = False,
    repeat: Repeat = 1,
    seed: Seed = 1,
    workers: Workers = _PROCESSORS,
    scheduler: Scheduler = None,
    tls_ca: TlsFile = None,
    tls_cert: TlsFile = None,
    tls_key: TlsFile = None,
    time_limit: TimeLimit = _LIMIT_SECONDS,
    shard: Shard = "1/1",
    alone: Alone = False,
    baseline: Baseline = None,
    expect: Expect = None,
    junit: Junit = None,
    out: Out = None,
    as_json: AsJson = False,
    bisect: Bisect = None,
    good: Good = None,
    bad: Bad = "HEAD",
    repo: Repository = _HERE,
) -> None:
    """Try tools under policies: every cell a sealed run of its own."""
    if install_tools:
        install_all()
    own = Commands(tool_server, tool_client, tool_port, socks, http, tun, dns)
    ask = partial(choose, tools, policies, scenarios, tool or (), repeat, seed, own)
    with _ending():
        if not policies:
            raise Refusal("--policies is missing", "see: filterlab list policies")
        chosen = ask()
        options = Options(
            workers,
            time_limit,
            out or _fresh_folder(),
            scheduler,
            Certificates(tls_ca, tls_cert, tls_key),
            shard_of(shard),
            not alone,
            load_expected(expect) if expect is not None else None,
            tallies(read(baseline)) if baseline is not None else None,
        )
        if bisect is not None:
            status = _bisect(ask, options, bisect, (good, bad), repo, as_json)
        else:
            status = _play(chosen, options, junit, as_json)
    raise typer.Exit(status)


@contextmanager
def _ending() -> Iterator[None]:
    """End with the status of what went wrong, once that is told."""
    try:
        with ended_by_signals():
            yield
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        raise typer.Exit(2) from None
    except Interrupted as interrupted:
        raise typer.Exit(_BY_SIGNAL + interrupted.number) from None


def _play(chosen: Choice, options: Options, junit: Path | None, as_json: bool) -> int:
    started = time.monotonic()
    jobs = labs(chosen, options)
    try:
        with _cluster(options) as found:
            findings = _played(chosen, options, found) if jobs else []
    except Interrupted:
        if (options.out / CELLS).exists():
            print(
                f"filterlab: interrupted; the same command with --out {options.out}"
                " goes on from here",
                file=sys.stderr,
            )
        raise
    summary = summarise(chosen, options, jobs, findings, started)
    _tell(summary, junit, as_json)
    if (options.out / CELLS).exists():
        write_report(options.out)
    return summary.verdict.exit_status


def _cluster(options: Options) -> AbstractContextManager[Cluster]:
    return cluster(options.workers, options.scheduler, options.papers)


def _played(chosen: Choice, options: Options, found: Cluster) -> list[Finding]:
    jobs = labs(chosen, options)
    console = Console(stderr=True, highlight=False)
    view = View(console, cells_of(jobs), sum(len(job.cells) for job in jobs))
    with view.open():
        return play(chosen, options, jobs, found, view)


def _tell(summary: Summary, junit: Path | None, as_json: bool) -> None:
    if junit is not None:
        write_junit(summary, junit)
    if as_json:
        print(json.dumps(summary.as_json(), indent=1, ensure_ascii=False))
    else:
        print_summary(summary, Console(highlight=False))
    for line in github.tell(summary, os.environ):
        # GitHub reads both streams; results that are JSON stay alone on theirs.
        print(line, file=sys.stderr if as_json else sys.stdout)


def _bisect(
    ask: Callable[[], Choice],
    options: Options,
    command: str,
    ends: tuple[str | None, str],
    repo: Path,
    as_json: bool,
) -> int:
    good, bad = ends
    if good is None:
        raise Refusal("--bisect needs a commit that works: --good REV")

    def at(commit: str) -> bisection.Known:
        try:
            chosen = ask()  # a build may make the tool's file as well
        except (BadInput, Refusal) as bad:
            print(bad, file=sys.stderr)
            return {}
        here = Options(
            options.workers,
            options.limit_seconds,
            options.out / commit[:12],
            options.scheduler,
            options.papers,
            share=options.share,
        )
        return tallies(_played(chosen, here, found))

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    repository = bisection.Repository(repo)
    with _cluster(options) as found:
        lost = bisection.bisect(repository, command, good, bad, at, say)
    if as_json:
        told = {"cells": [str(cell) for cell in lost.cells], "commit": lost.commit}
        print(json.dumps({**told, "title": lost.title, "why": lost.why}, indent=1))
    elif lost.commit is None:
        print(f"could not tell: {lost.why}")
    else:
        print(f"{lost.title}\nis the commit that lost:")
        for cell in lost.cells:
            now = lost.after[cell].typical.text if lost.after else ""
            print(f"  {cell}: {now}")
    return 0 if lost.commit is not None else 3


def _fresh_folder() -> Path:
    number = 1
    while (folder := Path("runs") / f"matrix-{number}").exists():
        number += 1
    return folder


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM unwind what is under way, instead of killing it."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)  # the end is under way
        raise Interrupted(number)

    before = {n: signal.signal(n, end) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
