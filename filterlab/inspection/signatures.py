"""What a box knew of protocols at a date: later versions, and later protocols, pass.

A vendor's signatures stop at a date when the updates stop, while the operator's lists
go on. What is not named here has been known for longer than any policy asks about.
"""

from __future__ import annotations

from datetime import date

from filterlab.inspection.recogniser import Finding

_WIREGUARD = date(2016, 6, 28)  # its first announcement
_ECH = date(2021, 8, 12)  # draft-ietf-tls-esni-13, whose number is in use since
_TLS_1_3 = date(2018, 8, 10)  # RFC 8446
_QUIC = date(2021, 5, 27)  # RFC 9000
# By the recogniser that finds it.
_RECOGNISERS = {
    "wireguard": _WIREGUARD,
    "obfs4": date(2015, 10, 12),  # Wang et al., CCS 2015
    "fully_encrypted": date(2021, 11, 6),  # Wu et al., USENIX Security 2023, 1
    "tls_in_tls": date(2024, 8, 14),  # Xue et al., USENIX Security 2024
    "fake_tls": date(2019, 8, 13),  # MTProto proxies with "ee" secrets
}
_FIELDS = {"tls.ech": _ECH, "dtls.ech": _ECH}
# A flow of a version that is too new is not recognised at all.
_QUIC_VERSIONS = {"1": _QUIC, "2": date(2023, 5, 1)}  # RFC 9000, RFC 9369
_DRAFT = date(2018, 7, 1)  # the first drafts that browsers shipped


def known_by(name: str, finding: Finding, as_of: date) -> Finding | None:
    """What signatures of a date make of a finding; None if they know nothing of it."""
    if as_of == date.max:
        return finding
    if _RECOGNISERS.get(name, date.min) > as_of:
        return None
    fields = dict(finding.fields)
    for version in fields.get("quic.version", ()):
        since = _DRAFT if version.startswith("draft") else date.min
        if _QUIC_VERSIONS.get(version, since) > as_of:
            return None
    for key, since in _FIELDS.items():
        if since > as_of:
            fields.pop(key, None)
    if as_of < _TLS_1_3 and fields.get("tls.version") == ("1.3",):
        fields["tls.version"] = ("1.2",)  # as such a hello says of itself
    return Finding(finding.protocol, fields, finding.message)
