"""All recognisers there are, by the name that `fields.FIELDS` gives them."""

from __future__ import annotations

from filterlab.inspection.recogniser import Recogniser
from filterlab.inspection.recognisers.bittorrent import BitTorrent
from filterlab.inspection.recognisers.dns import Dns
from filterlab.inspection.recognisers.dns_answer import DnsAnswer
from filterlab.inspection.recognisers.dns_tunnel import DnsTunnel
from filterlab.inspection.recognisers.dtls import Dtls
from filterlab.inspection.recognisers.esp import Esp
from filterlab.inspection.recognisers.fake_tls import FakeTls
from filterlab.inspection.recognisers.first_payload import FirstPayload
from filterlab.inspection.recognisers.fully_encrypted import FullyEncrypted
from filterlab.inspection.recognisers.gre import Gre
from filterlab.inspection.recognisers.http import Http
from filterlab.inspection.recognisers.http_response import HttpResponse
from filterlab.inspection.recognisers.icmp_tunnel import IcmpTunnel
from filterlab.inspection.recognisers.isakmp import Isakmp
from filterlab.inspection.recognisers.l2tp import L2tp
from filterlab.inspection.recognisers.loose import Loose
from filterlab.inspection.recognisers.mtproto import Mtproto
from filterlab.inspection.recognisers.ntp import Ntp
from filterlab.inspection.recognisers.obfs4 import Obfs4
from filterlab.inspection.recognisers.openvpn import OpenVpn
from filterlab.inspection.recognisers.payload import Payload
from filterlab.inspection.recognisers.pptp import Pptp
from filterlab.inspection.recognisers.quic import Quic
from filterlab.inspection.recognisers.sizes import Sizes
from filterlab.inspection.recognisers.socks import Socks
from filterlab.inspection.recognisers.ssh import Ssh
from filterlab.inspection.recognisers.stun import Stun
from filterlab.inspection.recognisers.tls import Tls
from filterlab.inspection.recognisers.tls_flight import TlsFlight
from filterlab.inspection.recognisers.tls_in_tls import TlsInTls
from filterlab.inspection.recognisers.tls_server import TlsServer
from filterlab.inspection.recognisers.tor import Tor
from filterlab.inspection.recognisers.volume import Volume
from filterlab.inspection.recognisers.wireguard import WireGuard

RECOGNISERS: dict[str, type[Recogniser]] = {
    recogniser.name: recogniser
    for recogniser in (
        Dns,
        Http,
        Tls,
        Quic,
        Dtls,
        Ssh,
        Socks,
        BitTorrent,
        Ntp,
        Stun,
        Isakmp,
        Esp,
        L2tp,
        Pptp,
        Gre,
        DnsAnswer,
        HttpResponse,
        TlsServer,
        TlsFlight,
        OpenVpn,
        WireGuard,
        Mtproto,
        FakeTls,
        Tor,
        Obfs4,
        FullyEncrypted,
        TlsInTls,
        DnsTunnel,
        IcmpTunnel,
        FirstPayload,
        Loose,
        Sizes,
        Volume,
        Payload,
    )
}

DETAILS = frozenset((DnsAnswer.name, HttpResponse.name, TlsServer.name))
"""Recognisers of what another one has named already: `protocol` waits for none."""

PROTOCOLS: tuple[str, ...] = tuple(
    sorted(
        {
            protocol
            for name, recogniser in RECOGNISERS.items()
            if name not in DETAILS
            for protocol in getattr(recogniser, "protocols", (name,))
        }
    )
)
"""What the field `protocol` may say, if the user adds no recognisers."""
