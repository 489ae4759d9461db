"""Starts os-ken, which lost its own command line, with one application.

    python -m filterlab.openflow.launch CONFIG.json
    python -m filterlab.openflow.launch --app PATH_OR_MODULE --port N

The first form runs the exchange for the switches that CONFIG names; the second a
student's application, or one written for Ryu. Both listen on the loopback only, say
when a switch is ready, and end with status 70 and a fault line when a handler raises,
where os-ken alone would live on with a dead thread.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import logging
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any, NoReturn

from os_ken import cfg
from os_ken.base import app_manager
from os_ken.lib import hub

from filterlab.openflow import lines
from filterlab.openflow.channel import use_channels
from filterlab.openflow.ryu import offer_ryu

# Python looks for other threads that want to run this often. Two exchanges share one
# interpreter, and the default of 5 ms would show in the latency of each.
SWITCH_INTERVAL_SECONDS = 0.0005


class _NeverRaised(BaseException):
    """Stands for os-ken's TaskExit, which native threads have no use for."""


class _FaultHandler(logging.Handler):
    """Ends the process when os-ken logs an exception that it has swallowed."""

    def emit(self, record: logging.LogRecord) -> None:
        uncaught = record.name == "os_ken.lib.hub" and record.levelno >= logging.ERROR
        if record.exc_info or uncaught:
            lines.fault(logging.Formatter().format(record))


def end_at_any_exception() -> None:
    """Make every exception that nobody handles a fault, on all threads."""
    # With native threads os-ken has `TaskExit = Exception`, so that whatever a
    # handler raises counts as a wish to end, and ends its thread without a word.
    hub.TaskExit = _NeverRaised
    logging.getLogger("os_ken").addHandler(_FaultHandler())
    sys.excepthook = _fault_of
    threading.excepthook = lambda what: _fault_of(
        what.exc_type, what.exc_value, what.exc_traceback
    )


def end_when_told() -> None:
    """End at SIGTERM, and at SIGINT unless that is ignored.

    Whichever thread a signal comes to, Python writes it to a socket at once, where
    another thread waits for it: the main one joins others for ever, and would run a
    handler only when it returns from there. To block the signals is not enough, since
    libraries start threads of their own when they are imported.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno())
    signal.signal(signal.SIGTERM, _told_elsewhere)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _told_elsewhere)

    def wait(_open: socket.socket) -> NoReturn:
        heard.recv(1)
        lines.end()

    threading.Thread(target=wait, args=(told,), name="signals", daemon=True).start()


def _told_elsewhere(_number: int, _frame: FrameType | None) -> None:
    """A handler there has to be, or the signal would end the process by itself."""


def _fault_of(
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> NoReturn:
    lines.fault("".join(traceback.format_exception(kind, error, trace)))


def load_application(named: str) -> str:
    """Import a file or module; the name under which os-ken finds its application."""
    path = Path(named)
    if path.suffix == ".py":
        module = _module_of(path)
    else:
        module = importlib.import_module(named)
    if app_manager.AppManager.get_instance().load_app(module.__name__) is None:
        lines.fault(f"{named} has no class derived from OSKenApp (or RyuApp)")
    return module.__name__


def _module_of(path: Path) -> ModuleType:
    if not path.is_file():
        lines.fault(f"there is no file {path}")
    # What stands beside an application can be imported by it, as when run by hand.
    sys.path.append(str(path.parent.resolve()))
    # os-ken takes a module's name for a path where there is such a file or folder.
    name = f"filterlab_application_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def run(applications: list[str], port: int, **settings: Any) -> None:
    """Run these, listening on the loopback, until the process is ended."""
    listen = ["--ofp-listen-host=127.0.0.1", f"--ofp-tcp-listen-port={port}"]
    cfg.CONF(args=listen, project="filterlab", default_config_files=[])
    manager = app_manager.AppManager.get_instance()
    manager.load_apps(applications)
    contexts = manager.create_contexts()
    hub.joinall(manager.instantiate_apps(**contexts, **settings))


def _run_exchange(config: dict[str, Any]) -> None:
    use_channels()
    application = load_application(config["app"])
    run([application], config["listen_port"], config=config)


def _run_other(named: str, port: int, names: dict[int, str]) -> None:
    offer_ryu()
    application = load_application(named)
    watched = app_manager.AppManager.get_instance().load_app(application).__name__
    readiness = "filterlab.openflow.readiness"
    run([application, readiness], port, watched=watched, names=names)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, and run until ended."""
    parser = argparse.ArgumentParser(prog="python -m filterlab.openflow.launch")
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG.json")
    parser.add_argument("--app", help="an os-ken or Ryu application: file or module")
    parser.add_argument("--port", type=int, default=6653)  # IANA: openflow
    parser.add_argument(
        "--exchange",
        action="append",
        default=[],
        metavar="NAME=DPID",
        help="what to call a switch when it is ready",
    )
    chosen = parser.parse_args(arguments)
    if (chosen.config is None) == (chosen.app is None):
        parser.error("either CONFIG.json or --app is needed")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    end_at_any_exception()
    end_when_told()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    if chosen.config is not None:
        _run_exchange(json.loads(chosen.config.read_text()))
    else:
        pairs = (pair.rpartition("=") for pair in chosen.exchange)
        names = {int(dpid, 0): name for name, _, dpid in pairs}
        _run_other(chosen.app, chosen.port, names)


if __name__ == "__main__":
    main()
