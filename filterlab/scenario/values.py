"""Turns the texts of a YAML file into numbers, durations, rates and names.

Each reader takes what stands in the file and raises Unreadable, which says what was
expected, never what Python made of it. The annotated types at the end are what the
models are written in; they carry the JSON Schema that editors check by.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from filterlab.policy.rules import Address
from filterlab.scenario.problem import did_you_mean, one_of

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_KBIT_S = {"bit/s": 0.001, "kbit/s": 1.0, "mbit/s": 1e3, "gbit/s": 1e6}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20}
_DIGITS = r"(\d{1,15}(?:\.\d{1,9})?)"
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"  # RFC 1035, 2.3.1, and `_`
_HOST = re.compile(rf"(?=.{{1,253}}$){LABEL}(?:\.{LABEL})*")


class Unreadable(ValueError):  # noqa: N818 - it is about a value, not a failure
    """A value that is not what its key wants; `says` replaces "is 'value'"."""

    def __init__(
        self, expected: str, help: str = "", says: str = "", kind: str = "bad-value"
    ) -> None:
        super().__init__(expected)
        self.expected, self.help, self.says, self.kind = expected, help, says, kind


class WrongShape(Unreadable):
    """A list or a mapping where text belongs, or the reverse."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected, kind="wrong-shape")


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str):
        raise WrongShape("text")
    if not value.strip():
        raise Unreadable("text")
    return value.strip()


def table(value: Any) -> dict[str, Any]:
    """A mapping."""
    if not isinstance(value, dict):
        raise WrongShape("a mapping: keys, each followed by ':'")
    return value


def listing(value: Any) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise WrongShape("a list")
    return value


def one_or_more(value: Any) -> list[Any]:
    """One thing, or a list of at least one."""
    if value in ([], ""):
        raise Unreadable("at least one")
    return value if isinstance(value, list) else [value]


def _measured(value: Any, units: dict[str, float], expected: str) -> float:
    found = re.fullmatch(_DIGITS + r"\s*([a-z/]+)", text(value).lower(), re.ASCII)
    if found is None or found[2] not in units:
        raise Unreadable(expected)
    return float(found[1]) * units[found[2]]


def seconds(value: Any) -> float:
    """A duration, in seconds: 500ms, 10s, 2m, 1h."""
    if value == "0":
        return 0.0
    return _measured(value, _SECONDS, "a duration such as 500ms, 10s, 2m or 1h")


def kbit_s(value: Any) -> int:
    """A rate, in kbit/s: 150 kbit/s, 2 Mbit/s; the `/s` may be left out."""
    expected = "a rate such as 150 kbit/s or 2 Mbit/s"
    written = text(value)
    if not written.endswith("/s"):
        written += "/s"
    rate = round(_measured(written, _KBIT_S, expected))
    # 32 bits of kbit/s is what an OpenFlow 1.3 meter band can say (7.3.4.4).
    if not 1 <= rate < 2**32:
        raise Unreadable(f"{expected}, and at least 1 kbit/s")
    return rate


def size_bytes(value: Any) -> int:
    """A size, in bytes: 500 kB, 10 MB."""
    size = _measured(value, _BYTES, "a size such as 500 kB or 10 MB")
    if not 1 <= size <= 10**9:
        raise Unreadable("a size from 1 B to 1 GB")
    return round(size)


def clock_rate(value: Any) -> float:
    """How much faster than the real one the scenario's clock runs: 60x."""
    found = re.fullmatch(_DIGITS + "x?", text(value), re.ASCII)
    if found is None or not 0 < float(found[1]) <= 1_000_000:
        raise Unreadable("how many times faster time runs, such as 60x")
    return float(found[1])


def whole(least: int, most: int, what: str = "") -> Callable[[Any], int]:
    """A reader of whole numbers within bounds."""
    expected = f"{what or 'a whole number'} from {least} to {most}"

    def read(value: Any) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text(value), re.ASCII):
            raise Unreadable(expected)
        if not least <= int(value) <= most:
            raise Unreadable(expected)
        return int(value)

    return read


def span(read: Callable[[Any], int], expected: str) -> Callable[[Any], tuple[int, int]]:
    """A reader of one number, or of two: the least and the most of a random one."""

    def reader(value: Any) -> tuple[int, int]:
        if not isinstance(value, list):
            number = read(value)
            return number, number
        if len(value) != 2:
            raise Unreadable(f"{expected}, or two of them: [least, most]")
        least, most = map(read, value)
        if least > most:
            raise Unreadable("the smaller number first", says="runs backwards")
        return least, most

    return reader


def decimal(least: float, most: float, what: str = "") -> Callable[[Any], float]:
    """A reader of numbers within bounds."""
    expected = f"{what or 'a number'} from {least:g} to {most:g}"

    def read(value: Any) -> float:
        if not re.fullmatch(_DIGITS, text(value), re.ASCII):
            raise Unreadable(expected)
        if not least <= float(value) <= most:
            raise Unreadable(expected)
        return float(value)

    return read


def yes_or_no(value: Any) -> bool:
    """A truth: true or yes, false or no."""
    written = text(value).lower()
    if written in ("true", "yes"):
        return True
    if written in ("false", "no"):
        return False
    raise Unreadable("true or false")


def choice(*choices: str) -> Callable[[Any], str]:
    """A reader of one of a few words."""

    def read(value: Any) -> str:
        written = text(value)
        if written not in choices:
            raise Unreadable(one_of(choices), did_you_mean(written, choices))
        return written

    return read


def host_name(value: Any) -> str:
    """A host name in lower case, without a final dot (RFC 1035, 2.3.1)."""
    name = text(value).lower().removesuffix(".")
    if not _HOST.fullmatch(name):
        raise Unreadable("a host name such as news.example", kind="bad-name")
    return name


def node_name(value: Any) -> str:
    """A name that a host of the lab can bear; interfaces are named after it."""
    # Linux names an interface in 15 characters (IFNAMSIZ), "-eth12" among them.
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,9}", text(value)):
        expected = "at most 10 of the letters a-z, digits and '-'"
        raise Unreadable(expected, kind="bad-name")
    return str(value)


def address(value: Any) -> Address:
    """An IPv4 or IPv6 address."""
    try:
        return ip_address(text(value))
    except ValueError as why:
        if isinstance(why, Unreadable):
            raise
        raise Unreadable("an IPv4 or IPv6 address") from None


class Reads:
    """Says by which reader a field's value is read, and its JSON Schema."""

    def __init__(self, reader: Callable[[Any], Any], **schema: Any) -> None:
        self._reader = reader
        self._schema = schema or {"type": "string"}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._reader)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self._schema)


def whole_number(least: int, most: int, what: str = "") -> Reads:
    """Reads a whole number within bounds."""
    reader = whole(least, most, what)
    return Reads(reader, type="integer", minimum=least, maximum=most)


def word_of(*choices: str) -> Reads:
    """Reads one of a few words."""
    return Reads(choice(*choices), enum=list(choices))


def number_range(most: float) -> Reads:
    """Reads two numbers from 0 to `most`, the smaller one first."""

    def read(value: Any) -> tuple[float, float]:
        if not isinstance(value, list) or len(value) != 2:
            raise WrongShape("two numbers: [least, most]")
        low, high = (decimal(0, most)(part) for part in value)
        if low > high:
            raise Unreadable("the smaller number first", says="runs backwards")
        return low, high

    return Reads(read, type="array", items=_number(most))


def _number(most: float) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": most}


Words = Annotated[str, Reads(text)]
Seconds = Annotated[float, Reads(seconds, type="string", examples=["10s", "2m"])]
KbitS = Annotated[int, Reads(kbit_s, type="string", examples=["150 kbit/s"])]
SizeBytes = Annotated[int, Reads(size_bytes, type="string", examples=["10 MB"])]
ClockRate = Annotated[float, Reads(clock_rate, type="string", examples=["60x"])]
Truth = Annotated[bool, Reads(yes_or_no, type="boolean")]
HostName = Annotated[str, Reads(host_name)]
NodeName = Annotated[str, Reads(node_name)]
IpAddress = Annotated[Address, Reads(address)]
Share = Annotated[float, Reads(decimal(0, 1), **_number(1))]
Shares = Annotated[tuple[float, float], number_range(1)]
