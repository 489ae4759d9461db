"""The keys that recognisers find, one row each, in the order of their protocols."""

from __future__ import annotations

from filterlab.inspection.field import Field, Kind

_NAME, _NETWORK, _NUMBER, _TEXT = Kind.NAME, Kind.NETWORK, Kind.NUMBER, Kind.TEXT


def _hello(prefix: str, recogniser: str) -> tuple[Field, ...]:
    """What a ClientHello says, in TLS (and QUIC) or in DTLS."""
    handshake = f"{prefix}.handshake"
    in_quic = prefix == "tls"

    def field(
        key: str, wireshark: str, kind: Kind, meaning: str, *choices: str
    ) -> Field:
        own = (wireshark,) if wireshark.startswith(f"{handshake}.extensions_") else ()
        return Field(
            key,
            wireshark,
            kind,
            recogniser,
            meaning,
            choices,
            other_names=own,
            in_quic=in_quic,
        )

    lists = (
        ("ciphersuite", _TEXT, "an offered cipher suite: 0x1301"),
        ("extension.type", _NUMBER, "the number of an extension sent"),
        ("ja3", _TEXT, "the JA3 fingerprint of the client, an MD5"),
        ("ja3_full", _TEXT, "what JA3 is made of"),
        ("ja4", _TEXT, "the JA4 fingerprint of the client"),
        ("ja4_r", _TEXT, "the same with its lists written out"),
    )
    return (
        field(
            f"{prefix}.sni",
            f"{handshake}.extensions_server_name",
            _NAME,
            "the server name in the ClientHello; with ECH, the outer one",
        ),
        field(
            f"{prefix}.alpn",
            f"{handshake}.extensions_alpn_str",
            _TEXT,
            "an offered application protocol",
        ),
        field(
            f"{prefix}.version",
            f"{handshake}.version",
            _TEXT,
            "the highest version offered: 1.0 to 1.3",
        ),
        field(
            f"{prefix}.ech",
            f"{handshake}.extension.type == 65037",
            _TEXT,
            "yes if Encrypted ClientHello is offered",
            "yes",
            "no",
        ),
        *(
            field(f"{handshake}.{name}", f"{handshake}.{name}", kind, meaning)
            for name, kind, meaning in lists
        ),
    )


def _found(recogniser: str, key: str, kind: Kind, meaning: str) -> Field:
    """A field that Wireshark calls by the same name."""
    return Field(key, key, kind, recogniser, meaning)


FOUND: tuple[Field, ...] = (
    *_hello("tls", "tls"),
    Field(
        "tls.server.version",
        "tls.handshake.version, tls.handshake.extensions.supported_version",
        _TEXT,
        "tls_server",
        "the version that the server chose",
    ),
    Field(
        "tls.server.ciphersuite",
        "tls.handshake.ciphersuite",
        _TEXT,
        "tls_server",
        "the cipher suite that the server chose: 0x1301",
    ),
    _found("tls_server", "tls.handshake.ja3s", _TEXT, "JA3S of the server, an MD5"),
    _found("tls_server", "tls.handshake.ja3s_full", _TEXT, "what JA3S is made of"),
    Field(
        "tls.certificate.cn",
        "x509sat.uTF8String, x509sat.printableString",
        _NAME,
        "tls_server",
        "a common name of the server's certificate, up to TLS 1.2",
    ),
    Field(
        "tls.certificate.san",
        "x509ce.dNSName",
        _NAME,
        "tls_server",
        "a name that the server's certificate is for, up to TLS 1.2",
        other_names=("x509ce.dNSName",),
    ),
    Field(
        "tls.second_flight",
        "tls.handshake.type == 16, tls.change_cipher_spec",
        _TEXT,
        "tls_flight",
        "what the client says once the server has answered its hello",
        choices=("client_key_exchange", "change_cipher_spec"),
    ),
    *_hello("dtls", "dtls"),
    _found("quic", "quic.version", _TEXT, "1, 2, draft-29, Q050, ..."),
    _found("quic", "quic.supported_version", _TEXT, "offered in version negotiation"),
    _found("http_response", "http.response.code", _NUMBER, "the status: 200"),
    _found("http_response", "http.server", _TEXT, "the Server header"),
    _found("http_response", "http.location", _TEXT, "where a redirect leads"),
    _found("http_response", "http.content_type", _TEXT, "the Content-Type header"),
    Field(
        "http.title",
        "data-text-lines",
        _TEXT,
        "http_response",
        "the title of the page, where it is not compressed",
    ),
    _found("dns_answer", "dns.flags.rcode", _TEXT, "NOERROR, NXDOMAIN, ..."),
    _found("dns_answer", "dns.a", _NETWORK, "an IPv4 address in the answer"),
    _found("dns_answer", "dns.aaaa", _NETWORK, "an IPv6 address in the answer"),
    _found("dns_answer", "dns.cname", _NAME, "an alias in the answer"),
    _found("ssh", "ssh.protocol", _TEXT, "either side's first line: SSH-2.0-..."),
    _found("socks", "socks.version", _TEXT, "4 or 5"),
    _found("socks", "socks.remote_name", _NAME, "the host asked for, by name"),
    _found("socks", "socks.dst", _NETWORK, "the host asked for, by address"),
    Field(
        "socks.dstport",
        "socks.dstport",
        _NUMBER,
        "socks",
        "the port asked for",
        most=65535,
    ),
    _found("bittorrent", "bittorrent.info_hash", _TEXT, "what is shared, in hex"),
    _found("bittorrent", "bt-dht.query", _TEXT, "ping, find_node, get_peers, ..."),
    _found("ntp", "ntp.flags.vn", _NUMBER, "the version of NTP"),
    _found("ntp", "ntp.stratum", _NUMBER, "how far the server is from a clock"),
    _found("stun", "stun.type.method", _TEXT, "binding; TURN: allocate, send, ..."),
    _found("stun", "stun.att.software", _TEXT, "what the sender calls itself"),
    _found("isakmp", "isakmp.version", _TEXT, "1.0 or 2.0"),
    _found("isakmp", "isakmp.exchangetype", _TEXT, "main, aggressive, ike_sa_init"),
    _found("esp", "esp.spi", _TEXT, "the security association: 0x..."),
    _found("l2tp", "l2tp.version", _TEXT, "2 or 3"),
    _found("pptp", "pptp.host_name", _TEXT, "what the client calls itself"),
    _found("pptp", "pptp.vendor_name", _TEXT, "who made the client"),
    _found("gre", "gre.proto", _TEXT, "what is inside; PPTP: 0x880b"),
)
