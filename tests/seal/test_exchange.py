"""The exchange on a real switch: what becomes of real connections through it."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.network import Network
from filterlab.lab.topology import load_topology
from filterlab.policy.rules import (
    Action,
    Drop,
    InjectDns,
    InjectHttp,
    Match,
    Names,
    Networks,
    Numbers,
    Policy,
    Position,
    Reset,
    Rule,
    Shutdown,
    Source,
    Throttle,
)

ENDS = str(Path(__file__).with_name("exchange_ends.py"))
APPLICATION = str(Path(__file__).parents[2] / "controllers" / "exchange.py")
BLOCKED, FINE = "blocked.example", "fine.example"
FORGED = "203.0.113.66"
PORT = 6653


class Lab:
    """A client, a server, an exchange between them, and its controller."""

    def __init__(self, launch: list[str] | None = None, delay_ms: int = 0):
        self.folder = Path(tempfile.mkdtemp(dir="/run"))
        topo = load_topology("single")(delay_ms=delay_ms)
        self.network = Network(topo, self.folder, controller_port=PORT)
        if launch is None:
            launch = [self._configuration()]
        self.controller = subprocess.Popen(
            [sys.executable, "-m", "filterlab.openflow.launch", *launch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.network.up()
        self.first_line = self.line()
        server = self.network.popen(
            "server",
            [sys.executable, ENDS, "serve"],
            stdout=subprocess.PIPE,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == b"serving\n"

    def _configuration(self) -> str:
        ports = [
            {"number": p.number, "side": p.side, "mac": p.mac_behind}
            for p in self.network.exchange_ports("exchange")
        ]
        dpid = self.network.dpid("exchange")
        config = {
            "app": APPLICATION,
            "listen_port": PORT,
            "decisions": str(self.folder / "decisions.jsonl"),
            "seed": 7,
            "exchanges": [{"name": "exchange", "dpid": dpid, "ports": ports}],
        }
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        return str(path)

    def line(self) -> dict[str, Any]:
        assert self.controller.stdout is not None
        said: dict[str, Any] = json.loads(self.controller.stdout.readline())
        return said

    def request(self, **request: Any) -> dict[str, Any]:
        assert self.controller.stdin is not None
        self.controller.stdin.write(json.dumps({"id": 1} | request) + "\n")
        self.controller.stdin.flush()
        return self.line()

    def put(self, *rules: Rule, position: str = "in_path") -> None:
        path = self.folder / "policy.pickle"
        source = Source("policy.yaml", 1)
        policy = Policy("p", "p", source, Position(position), rules=rules)
        path.write_bytes(pickle.dumps(policy))
        said = self.request(do="policy", exchange="exchange", policy=str(path))
        assert (said["id"], said["done"]) == (1, True), said

    def ask(self, *words: str) -> dict[str, Any]:
        done = self.network.run("client", [sys.executable, ENDS, *words])
        answer: dict[str, Any] = json.loads(done)
        return answer

    def decided(self) -> list[dict[str, Any]]:
        lines = (self.folder / "decisions.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def names(*exact: str) -> Names:
    return Names(frozenset(exact), frozenset())


def rule(field: str, then: Action) -> Rule:
    when = Match(field, names(BLOCKED))
    return Rule("r", Source("policy.yaml", 4), when, then)


# --- in the path -----------------------------------------------------------------


def in_path() -> dict[str, Any]:
    lab = Lab()
    got: dict[str, Any] = {
        "ready": lab.first_line,
        "open": lab.ask("http", BLOCKED, "9"),
    }
    lab.put(rule("http.host", Reset()), rule("tls.sni", Reset()))
    got["http"] = [lab.ask("http", name, "9") for name in (BLOCKED, FINE)]
    got["tls"] = [lab.ask("tls", name) for name in (BLOCKED, FINE)]
    lab.put(rule("http.host", Drop()))
    got["drop"] = [lab.ask("http", name, "9") for name in (BLOCKED, FINE)]
    lab.put(rule("http.host", InjectHttp(location="http://blocked.invalid/")))
    got["redirect"] = [lab.ask("http", name, "9") for name in (BLOCKED, FINE)]
    dns = InjectDns(addresses=(ip_address(FORGED),))
    lab.put(rule("dns.qry.name", dns))
    got["dns"] = [lab.ask("dns", name) for name in (BLOCKED, FINE)]
    got["decided"] = lab.decided()
    got["counters"] = lab.request(do="counters")
    got["datapath"] = lab.network.openvswitch.datapath_flows()
    return got


# A connection's own, and alike for all its frames but those that open it: what matched
# more flags of TCP would let its frames overtake each other, what matched less would
# overlap with others.
SHAPE = re.compile(
    r"eth\(src=[0-9a-f:]+,dst=[0-9a-f:]+\),eth_type\(0x0800\),"
    r"ipv4\(src=[0-9.]+,dst=[0-9.]+,proto=(6|17),tos=0/0,ttl=[0-9]+/0,frag=no\),"
    r"(tcp\(src=\d+,dst=\d+\),tcp_flags\([+-]syn[+-]ack\)|udp\(src=\d+,dst=\d+\)),"
)


def test_a_box_in_the_path_resets_drops_redirects_and_answers(
    in_seal: Callable[..., Any],
) -> None:
    got = in_seal(in_path)
    assert got["ready"] == {"event": "ready", "exchange": "exchange"}
    assert got["open"]["outcome"] == "answered"
    assert [a["outcome"] for a in got["http"]] == ["reset", "answered"]
    assert [a["outcome"] for a in got["tls"]] == ["reset", "answered"]
    assert [a["outcome"] for a in got["drop"]] == ["timeout", "answered"]
    assert got["redirect"][0]["first"].startswith("HTTP/1.1 302")
    assert got["redirect"][1]["first"] == "HTTP/1.1 200 OK"
    assert [a["answers"] for a in got["dns"]] == [[FORGED], ["198.18.1.9"]]
    actions = [line["action"] for line in got["decided"]]
    assert actions == ["reset", "reset", "drop", "inject_http", "inject_dns"]
    assert got["counters"]["exchanges"]["exchange"]["injected"] > 0
    kept = [flow for flow in got["datapath"] if re.search("proto=(6|17),", flow)]
    assert {SHAPE.search(flow) is None for flow in kept} == {False}, kept


# --- beside the path -------------------------------------------------------------


def on_path() -> dict[str, Any]:
    lab = Lab(delay_ms=50)
    dns = InjectDns(addresses=(ip_address(FORGED),))
    rules = (rule("http.host", Reset()), rule("tls.sni", Reset()))
    lab.put(*rules, rule("dns.qry.name", dns), position="on_path")
    return {
        "http": [lab.ask("http", name, "9")["outcome"] for name in (BLOCKED, FINE)],
        "tls": [lab.ask("tls", name)["outcome"] for name in (BLOCKED, FINE)],
        "dns": [lab.ask("dns", name)["answers"] for name in (BLOCKED, FINE)],
    }


def test_a_box_beside_the_path_wins_its_race(in_seal: Callable[..., Any]) -> None:
    got = in_seal(on_path)
    assert got["http"] == ["reset", "answered"]
    assert got["tls"] == ["reset", "answered"]
    assert got["dns"] == [[FORGED], ["198.18.1.9"]]


# --- rates and static rules ------------------------------------------------------


def throttled() -> dict[str, Any]:
    lab = Lab()
    got = {"open": lab.ask("http", FINE, "60000")}
    when = Match("tcp.dstport", Numbers(frozenset({80})))
    slow = Rule("slow", Source("p.yaml", 2), when, Throttle(kbit_s=150))
    lab.put(slow)
    got["slow"] = lab.ask("http", FINE, "60000")
    return got


def test_a_throttled_page_comes_whole_and_late(in_seal: Callable[..., Any]) -> None:
    got = in_seal(throttled)
    assert got["slow"]["bytes"] == got["open"]["bytes"] > 60000
    # 480 kbit at 150 kbit/s, the burst apart; the open network takes milliseconds.
    assert got["slow"]["seconds"] > 10 * got["open"]["seconds"]


def shut_down() -> dict[str, Any]:
    lab = Lab()
    network = int(ip_address("198.18.0.0"))
    server = Networks({(4, 15): frozenset({network})})
    listed = Rule("list", Source("p.yaml", 2), Match("ip.dst", server), Drop())
    lab.put(listed)
    got = {"listed": lab.ask("http", FINE, "9"), "decided": lab.decided()}
    lab.put(Rule("shutdown", Source("p.yaml", 3), None, Shutdown()))
    got["shutdown"] = lab.ask("http", FINE, "9")
    lab.put()
    got["open"] = lab.ask("http", FINE, "9")
    return got


def test_a_list_and_a_shutdown_stop_all_until_the_policy_goes(
    in_seal: Callable[..., Any],
) -> None:
    got = in_seal(shut_down)
    assert got["listed"]["outcome"] == "timeout"
    assert [line["rule"] for line in got["decided"]] == ["list"]
    assert got["shutdown"]["outcome"] == "timeout"
    assert got["open"]["outcome"] == "answered"


# --- other applications, and faults ----------------------------------------------


def ryu_switch(application: str) -> dict[str, Any]:
    launch = ["--app", application, "--port", str(PORT), "--exchange", "exchange=1"]
    lab = Lab(launch)
    return {"ready": lab.first_line, "http": lab.ask("http", FINE, "9")}


def fetched_switch(folder: Path) -> Path | None:
    """Ryu's own file out of its source archive; it is never part of this repository."""
    fetched = os.environ.get("FILTERLAB_FETCHED")
    for archive in sorted(Path(fetched).glob("ryu-*.tar.gz")) if fetched else []:
        with tarfile.open(archive) as opened:
            for member in opened.getmembers():
                if member.name.endswith("/ryu/app/simple_switch_13.py"):
                    content = opened.extractfile(member)
                    assert content is not None
                    path = folder / "simple_switch_13.py"
                    path.write_bytes(content.read())
                    return path
    return None


def test_simple_switch_13_of_ryu_runs_unchanged(
    in_seal: Callable[..., Any], tmp_path: Path
) -> None:
    application = fetched_switch(tmp_path)
    if application is None:
        lack = "there is no ryu-4.34.tar.gz in the folder named by FILTERLAB_FETCHED"
        if "seal" in os.environ.get("FILTERLAB_REQUIRE", "").split(","):
            pytest.fail(lack)
        pytest.skip(lack)
    got = in_seal(ryu_switch, str(application))
    assert got["ready"] == {"event": "ready", "exchange": "exchange"}
    assert got["http"]["outcome"] == "answered"


FAULTY = """
from ryu.base import app_manager
from ryu.controller import ofp_event
from ryu.controller.handler import CONFIG_DISPATCHER, set_ev_cls


class Faulty(app_manager.RyuApp):
    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def features(self, event):
        raise RuntimeError("a student's mistake")
"""


def faulty() -> dict[str, Any]:
    path = Path(tempfile.mkdtemp(dir="/run")) / "faulty.py"
    path.write_text(FAULTY)
    lab = Lab(["--app", str(path), "--port", str(PORT)])
    return {"said": lab.first_line, "status": lab.controller.wait()}


def test_an_exception_in_a_handler_ends_the_process_loudly(
    in_seal: Callable[..., Any],
) -> None:
    got = in_seal(faulty)
    assert got["said"]["event"] == "fault"
    assert "a student's mistake" in got["said"]["text"]
    assert got["status"] == 70
