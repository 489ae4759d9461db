"""What of a certificate is as in the control, part by part."""

from __future__ import annotations

import datetime
from base64 import b64encode
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from filterlab.probes.result import ProbeResult, Step
from filterlab.report.certificates import Shown
from filterlab.scenario.certificatefile import ASPECTS

KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
BEGIN = datetime.datetime(2019, 7, 17, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
DAY = 24 * HOUR
Builder = x509.CertificateBuilder


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def names(*listed: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(one) for one in listed])


def signed(
    subject: str = "a.example",
    issuer: str = "root",
    key: int = 0,
    serial: int = 0xABCD_0000_0001,
    days: int = 90,
    shift: int = 0,
    listed: tuple[str, ...] = ("a.example",),
    plain: bool = False,
) -> ProbeResult:
    """A result with a certificate like this."""
    begin = BEGIN + shift * HOUR
    builder = (
        Builder(name(issuer), name(subject), KEYS[key].public_key(), serial)
        .not_valid_before(begin)
        .not_valid_after(begin + days * DAY)
        .add_extension(names(*listed), critical=False)
    )
    if not plain:
        builder = builder.add_extension(x509.BasicConstraints(False, None), True)
    der = builder.sign(KEYS[0], hashes.SHA256()).public_bytes(Encoding.DER)
    listing = [{"der": b64encode(der).decode()}]
    return ProbeResult((Step("tls", None, 0.0, 0.1, {"certificates": listing}),))


CHANGES: dict[str, Callable[[], ProbeResult]] = {
    "subject": lambda: signed(subject="b.example"),
    "names": lambda: signed(listed=("a.example", "b.example")),
    "issuer": lambda: signed(issuer="Security Certificate"),
    "key": lambda: signed(key=1),
    "serial head": lambda: signed(serial=0xABCE_0000_0001),
    "serial tail": lambda: signed(serial=0xABCD_FFFF_FFFF),
    "lifetime": lambda: signed(days=91),
    "other extensions": lambda: signed(plain=True),
}


@pytest.mark.parametrize("aspect", ASPECTS)
def test_one_part_is_another(aspect: str) -> None:
    shown = Shown.of(CHANGES[aspect](), signed())
    assert shown is not None
    assert shown.changed == (aspect,)
    assert set(shown.kept) == set(ASPECTS) - {aspect}


def test_dates_of_before() -> None:
    shown = Shown.of(signed(shift=-6), signed())
    assert shown is not None
    assert (shown.changed, shown.backdated) == ((), 6 * HOUR)


def test_no_certificate_is_no_comparison() -> None:
    assert Shown.of(ProbeResult(), signed()) is None
    assert Shown.of(signed(), ProbeResult()) is None
