"""Compares the certificate that a client was shown with the one of its control.

What is compared is what was published of forged certificates: Sundara Raman et al.,
Investigating Large Scale HTTPS Interception in Kazakhstan (IMC 2020), table of the
transformations.
"""

from __future__ import annotations

import datetime
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from filterlab.probes.result import ProbeResult

_SERIAL_TAIL_BITS = 32  # published: the last four bytes are others
_SAN = x509.SubjectAlternativeName


def _key(one: x509.Certificate) -> object:
    info = PublicFormat.SubjectPublicKeyInfo
    return one.public_key().public_bytes(Encoding.DER, info)


def _names(one: x509.Certificate) -> object:
    return [e.value for e in one.extensions if isinstance(e.value, _SAN)]


def _others(one: x509.Certificate) -> object:
    return [e.value for e in one.extensions if not isinstance(e.value, _SAN)]


def _lifetime(one: x509.Certificate) -> object:
    return one.not_valid_after_utc - one.not_valid_before_utc


# By the words that an expectation may use (`filterlab.scenario.schema.ASPECTS`).
_ASPECTS: dict[str, Callable[[x509.Certificate], object]] = {
    "subject": lambda one: one.subject,
    "names": _names,
    "issuer": lambda one: one.issuer,
    "key": _key,
    "serial head": lambda one: one.serial_number >> _SERIAL_TAIL_BITS,
    "serial tail": lambda one: one.serial_number % (1 << _SERIAL_TAIL_BITS),
    "lifetime": _lifetime,
    "other extensions": _others,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a certificate is as in the control, and what is not."""

    kept: tuple[str, ...]
    changed: tuple[str, ...]
    backdated: datetime.timedelta

    @classmethod
    def of(cls, result: ProbeResult, control: ProbeResult) -> Shown | None:
        """The comparison; None if either was shown no certificate."""
        shown, genuine = _leaf(result), _leaf(control)
        if shown is None or genuine is None:
            return None
        kept = [name for name, of in _ASPECTS.items() if of(shown) == of(genuine)]
        return cls(
            tuple(kept),
            tuple(name for name in _ASPECTS if name not in kept),
            genuine.not_valid_before_utc - shown.not_valid_before_utc,
        )


def _leaf(result: ProbeResult) -> x509.Certificate | None:
    listed: Iterable[Any] = (step.detail.get("certificates") for step in result.steps)
    first = next((shown[0] for shown in listed if shown), None)
    if first is None:
        return None
    return x509.load_der_x509_certificate(b64decode(first["der"]))
