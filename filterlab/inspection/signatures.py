"""What a box knew of protocols at a date: later versions, and later protocols, pass.

A vendor's signatures stop at a date when the updates stop, while the operator's lists
go on. Each date is that of the document, release or paper which made the thing, or the
way to recognise it, public.
"""

from __future__ import annotations

from datetime import date

from filterlab.inspection.recogniser import Finding

_MONTH = 1  # of documents that give no day, the first of the month

# When the protocol, or what gives it away, was published; by the recogniser's name.
SINCE: dict[str, date] = {
    "dns": date(1987, 11, _MONTH),  # RFC 1035
    "dns_answer": date(1987, 11, _MONTH),  # RFC 1035
    "http": date(1996, 5, _MONTH),  # RFC 1945
    "http_response": date(1996, 5, _MONTH),  # RFC 1945
    "tls": date(1999, 1, _MONTH),  # RFC 2246
    "tls_server": date(1999, 1, _MONTH),  # RFC 2246
    "tls_flight": date(1999, 1, _MONTH),  # RFC 2246
    "dtls": date(2006, 4, _MONTH),  # RFC 4347
    "quic": date(2013, 6, 27),  # Google announces it
    "ssh": date(1995, 11, _MONTH),  # draft-ylonen-ssh-protocol-00
    "socks": date(1992, 9, 14),  # Koblas and Koblas, USENIX UNIX Security 1992
    "bittorrent": date(2001, 7, 2),  # first release
    "ntp": date(1985, 9, _MONTH),  # RFC 958
    "stun": date(2003, 3, _MONTH),  # RFC 3489
    "isakmp": date(1998, 11, _MONTH),  # RFC 2408
    "esp": date(1995, 8, _MONTH),  # RFC 1827
    "l2tp": date(1999, 8, _MONTH),  # RFC 2661
    "pptp": date(1999, 7, _MONTH),  # RFC 2637
    "gre": date(1994, 10, _MONTH),  # RFC 1701
    "openvpn": date(2001, 5, 13),  # first release
    "wireguard": date(2016, 6, 28),  # first announcement
    "mtproto": date(2013, 8, 14),  # Telegram's first release
    "fake_tls": date(2019, 8, 13),  # MTProto proxies with "ee" secrets
    "tor": date(2011, 9, 13),  # Iran blocks it by its handshake (Tor's blog)
    "obfs4": date(2015, 10, 12),  # Wang et al., CCS 2015
    "fully_encrypted": date(2021, 11, 6),  # Wu et al., USENIX Security 2023, 1
    "tls_in_tls": date(2024, 8, 14),  # Xue et al., USENIX Security 2024
    "dns_tunnel": date(2010, 4, _MONTH),  # Born and Gustafson, entropy of tunnels
    "icmp_tunnel": date(1996, 11, _MONTH),  # project Loki, Phrack 49
    "loose": date(2020, 2, _MONTH),  # Iran's filter begins (Bock et al., FOCI 2020)
}
# They measure, and know nothing: a box has always had them.
MEASURES = frozenset(("first_payload", "sizes", "volume", "payload"))

_ECH = date(2021, 8, 12)  # draft-ietf-tls-esni-13, whose number is in use since
_JA3, _JA4 = date(2017, 7, 25), date(2023, 9, 26)  # Salesforce; FoxIO
_JA3S = date(2019, 1, 15)  # Salesforce
FIELDS_SINCE: dict[str, date] = {
    **dict.fromkeys(("tls.ech", "dtls.ech"), _ECH),
    **dict.fromkeys(("tls.handshake.ja3", "tls.handshake.ja3_full"), _JA3),
    **dict.fromkeys(("dtls.handshake.ja3", "dtls.handshake.ja3_full"), _JA3),
    **dict.fromkeys(("tls.handshake.ja3s", "tls.handshake.ja3s_full"), _JA3S),
    **dict.fromkeys(("tls.handshake.ja4", "tls.handshake.ja4_r"), _JA4),
    **dict.fromkeys(("dtls.handshake.ja4", "dtls.handshake.ja4_r"), _JA4),
    "flow.rtt.excess": date(2025, 2, 24),  # Xue et al., NDSS 2025
}

_DRAFTS = {  # draft-ietf-quic-transport, by months
    22: date(2019, 7, _MONTH),
    23: date(2019, 9, _MONTH),
    24: date(2019, 11, _MONTH),
    25: date(2020, 1, _MONTH),
    26: date(2020, 2, _MONTH),
    27: date(2020, 2, _MONTH),
    28: date(2020, 5, _MONTH),
    29: date(2020, 6, _MONTH),
    30: date(2020, 9, _MONTH),
    31: date(2020, 9, _MONTH),
    32: date(2020, 10, _MONTH),
    33: date(2020, 12, _MONTH),
    34: date(2021, 1, _MONTH),
}
# A flow of a version, or a wrapping, that is too new is not recognised at all.
VALUES_SINCE: dict[str, dict[str, date]] = {
    "quic.version": {
        "1": date(2021, 5, 27),  # RFC 9000
        "2": date(2023, 5, _MONTH),  # RFC 9369
        **{f"draft-{number}": since for number, since in _DRAFTS.items()},
    },
    "openvpn.wrapping": {
        "tls-crypt": date(2016, 12, _MONTH),  # OpenVPN 2.4.0
        "tls-crypt-v2": date(2020, 10, _MONTH),  # OpenVPN 2.5.0
    },
    "mtproto.transport": {
        "padded": date(2018, 7, _MONTH),  # proxies with "dd" secrets
        "obfuscated": date(2018, 5, 30),  # the first official proxy's release
    },
    "socks.version": {"5": date(1996, 3, _MONTH)},  # RFC 1928
    "isakmp.version": {"2.0": date(2005, 12, _MONTH)},  # RFC 4306
    "l2tp.version": {"3": date(2005, 3, _MONTH)},  # RFC 3931
    "ntp.flags.vn": {"4": date(2010, 6, _MONTH)},  # RFC 5905
}
# A hello of a version that is too new says of itself that it is an older one.
_LEGACY = {
    "tls.version": ("1.3", "1.2", date(2018, 8, 10)),  # RFC 8446, 4.1.2
    "tls.server.version": ("1.3", "1.2", date(2018, 8, 10)),  # RFC 8446, 4.1.3
    "dtls.version": ("1.3", "1.2", date(2022, 4, 21)),  # RFC 9147, 5.3
}


def known_by(name: str, finding: Finding, as_of: date) -> Finding | None:
    """What signatures of a date make of a finding; None if they know nothing of it."""
    if as_of == date.max:
        return finding
    if SINCE.get(name, date.min) > as_of:
        return None
    fields = dict(finding.fields)
    for key, dates in VALUES_SINCE.items():
        for value in fields.get(key, ()):
            if dates.get(value, date.min) > as_of:
                return None
    for key, since in FIELDS_SINCE.items():
        if since > as_of:
            fields.pop(key, None)
    for key, (newer, older, since) in _LEGACY.items():
        if as_of < since and fields.get(key) == (newer,):
            fields[key] = (older,)
    return Finding(finding.protocol, fields, finding.message)
