"""Names in certificates, read and broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filterlab.inspection.certificate import certificate_names
from tests.inspection.flows import NAME, NAMES, certificate


def test_reads_subject_and_alternative_names() -> None:
    assert certificate_names(certificate()[0]) == ((NAME,), NAMES)


def test_a_certificate_cut_short_has_no_names() -> None:
    der = certificate()[0]
    for at in range(len(der)):
        assert certificate_names(der[:at]) == ((), ())


@given(st.data())
def test_never_raises(data: st.DataObject) -> None:
    der = bytearray(certificate()[0])
    for _ in range(data.draw(st.integers(1, 9))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    certificate_names(bytes(der))
    certificate_names(data.draw(st.binary(max_size=80)))
