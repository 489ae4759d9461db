"""The program that holds the network's nodes: one small process for each.

Run as a file by `filterlab.lab.network`, in the seal, with nothing but the standard
library: forking a small single-threaded process is quick and safe, forking the
runner (threads, hundreds of modules) is neither.

It reads one JSON object on stdin: `nodes` (name -> {"sysctls": {key: value},
"binds": [[source, target]...], "made": [lines], "taps": {interface: argv},
"ip": [lines], "quiet": [interfaces], "after": [argv...], "late_sysctls": {...}}),
`links` (lines for
`ip -batch`, in which `{name}` stands for a node's pid), `root` (the same as a node,
for the interfaces that stay in the seal's root). It answers with one line of JSON,
{"pids": {...}, "seconds": {...}} or {"error": text}, and then waits: when its stdin
closes, or it dies, all nodes die.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import struct
import sys
import time
from typing import Any

_CLONE_NEWNS = 0x00020000  # include/uapi/linux/sched.h
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # include/uapi/linux/prctl.h
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18  # include/uapi/linux/mount.h
_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40  # netdevice(7)
_WITHIN_SECONDS = 60.0
_SIOCETHTOOL = 0x8946  # include/uapi/linux/sockios.h
# include/uapi/linux/ethtool.h
_ETHTOOL_GSTRINGS, _ETHTOOL_GSSET_INFO, _ETHTOOL_SFEATURES = 0x1B, 0x37, 0x3B
_ETH_SS_FEATURES = 4
_ETH_GSTRING_LEN = 32
# With a user-space datapath these would hand it packets that no wire ever carries:
# without a checksum, or longer than the MTU. Names as in the kernel's
# net/ethtool/common.c; new kernels bring new kinds of segmentation.
_OFFLOAD = re.compile(
    r"tx-checksum-.*|tx-.*-segmentation|tx-scatter-gather.*|tx-gso-.*|rx-gro.*"
    r"|rx-checksum|rx-udp-gro-forwarding"
)

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def _ethtool(channel: socket.socket, interface: str, command: bytearray) -> None:
    held = (ctypes.c_char * len(command)).from_buffer(command)
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(held))
    fcntl.ioctl(channel, _SIOCETHTOOL, request)


def _feature_numbers(channel: socket.socket, interface: str) -> dict[str, int]:
    """The kernel's own numbering of the features, which differs between kernels."""
    asked = bytearray(struct.pack("=IIQI", _ETHTOOL_GSSET_INFO, 0, 1 << 4, 0))
    _ethtool(channel, interface, asked)
    count = struct.unpack_from("=I", asked, 16)[0]
    table = bytearray(12 + count * _ETH_GSTRING_LEN)
    struct.pack_into("=III", table, 0, _ETHTOOL_GSTRINGS, _ETH_SS_FEATURES, count)
    _ethtool(channel, interface, table)
    names = {}
    for number in range(count):
        start = 12 + number * _ETH_GSTRING_LEN
        raw = bytes(table[start : start + _ETH_GSTRING_LEN])
        names[raw.split(b"\0")[0].decode()] = number
    return names


def switch_offloads_off(interfaces: list[str]) -> None:
    """Do what `ethtool -K IF tx off tso off gso off gro off ...` does, in one call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        words: list[list[int]] = []
        for interface in interfaces:
            if not words:
                numbers = _feature_numbers(channel, interface)
                words = [[0, 0] for _ in range((len(numbers) + 31) // 32)]
                for name, number in numbers.items():
                    if _OFFLOAD.fullmatch(name):
                        words[number // 32][0] |= 1 << (number % 32)
            command = bytearray(struct.pack("=II", _ETHTOOL_SFEATURES, len(words)))
            for valid, wanted in words:
                command += struct.pack("=II", valid, wanted)
            _ethtool(channel, interface, command)


def _set_sysctls(values: dict[str, str]) -> None:
    for key, value in values.items():
        try:
            with open("/proc/sys/" + key.replace(".", "/"), "w") as setting:
                setting.write(value)
        except FileNotFoundError:  # older kernels, or one without IPv6
            continue


def _run(argv: list[str], text: str = "") -> None:
    """Run a command with `text` on its stdin; raises RuntimeError with what it said."""
    inward, outward = os.pipe(), os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, inward[0], 0),
        (os.POSIX_SPAWN_DUP2, outward[1], 1),
        (os.POSIX_SPAWN_DUP2, outward[1], 2),
        (os.POSIX_SPAWN_CLOSE, outward[0]),
    ]
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
    os.close(inward[0])
    os.close(outward[1])
    with contextlib.suppress(BrokenPipeError):  # its own words say why it left
        os.write(inward[1], text.encode())
    os.close(inward[1])
    said = b""
    while part := os.read(outward[0], 65536):
        said += part
    os.close(outward[0])
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise RuntimeError(f"{' '.join(argv)}: {said.decode(errors='replace').strip()}")


def _await_carrier(interface: str) -> None:
    """Wait until a program holds the other end of a TAP device."""
    end = time.monotonic() + _WITHIN_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        request = struct.pack("16sH14x", interface.encode(), 0)
        while True:
            answer = fcntl.ioctl(channel, _SIOCGIFFLAGS, request)
            if struct.unpack("16sH14x", answer)[1] & _IFF_RUNNING:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"no vde_switch took {interface}")
            time.sleep(0.001)


def _configure(node: dict[str, Any]) -> None:
    if node["made"]:
        _run(["ip", "-batch", "-"], "\n".join(node["made"]) + "\n")
    for argv in node["taps"].values():
        _run(argv)
    _run(["ip", "-batch", "-"], "\n".join(node["ip"]) + "\n")
    switch_offloads_off(node["quiet"])
    for interface in node["taps"]:
        _await_carrier(interface)
    for argv in node["after"]:
        _run(argv)
    _set_sysctls(node["late_sysctls"])


def _live(name: str, node: dict[str, Any], go: int, news: int, parent: int) -> None:
    """Be a node: make its namespaces, wait for the links, configure, hold them."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    _libc.prctl(_PR_SET_NAME, f"node:{name}"[:15].encode())
    _checked(_libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS), "unshare")
    _checked(
        _libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None),
        "mount / private",
    )
    _set_sysctls(node["sysctls"])
    for source, target in node["binds"]:
        _checked(
            _libc.mount(
                source.encode(), os.path.realpath(target).encode(), None, _MS_BIND, None
            ),
            f"bind {target}",
        )
    os.write(news, b"made\n")
    if os.read(go, 1) != b"g":  # one byte for each node
        return
    _configure(node)
    os.write(news, b"done\n")
    hush = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(hush, descriptor)
    os.closerange(3, 64)
    while True:
        signal.pause()


def _start_nodes(nodes: dict[str, Any], go: int, news: int) -> dict[str, int]:
    pids = {}
    parent = os.getpid()
    for name, node in nodes.items():
        pid = os.fork()
        if pid == 0:
            try:
                _live(name, node, go, news, parent)
            except (OSError, RuntimeError) as error:
                os.write(news, f"error {name}: {error}\n".replace("\n", " ").encode())
                os.write(news, b"\n")
            finally:
                os._exit(1)
        pids[name] = pid
    return pids


def _await(news: int, word: str, count: int) -> None:
    text = b""
    while text.count(b"\n") < count:
        part = os.read(news, 65536)
        text += part
        if not part or b"error " in text:
            raise RuntimeError(text.decode(errors="replace").strip() or "a node died")
    if text.count(word.encode() + b"\n") != count:
        raise RuntimeError(text.decode(errors="replace"))


def _build(order: dict[str, Any]) -> dict[str, Any]:
    nodes = order["nodes"]
    started = time.monotonic()
    go, news = os.pipe(), os.pipe()
    pids = _start_nodes(nodes, go[0], news[1])
    os.close(news[1])
    _await(news[0], "made", len(nodes))
    made = time.monotonic()
    if order["links"]:
        lines = "\n".join(line.format_map(pids) for line in order["links"])
        _run(["ip", "-batch", "-"], lines + "\n")
    linked = time.monotonic()
    os.write(go[1], b"g" * len(nodes))
    _configure(order["root"])
    _await(news[0], "done", len(nodes))
    return {
        "pids": pids,
        "seconds": {
            "namespaces": made - started,
            "links": linked - made,
            "addresses": time.monotonic() - linked,
        },
    }


def main() -> int:
    """Build what stdin orders, answer, and hold it until stdin closes."""
    order = json.loads(sys.stdin.readline())
    try:
        answer = _build(order)
    except (OSError, RuntimeError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
