"""What each program really is, to judge by what a recogniser says of it.

A program is what it speaks, whatever it plays: fteproxy plays HTTP, and a recogniser
that takes it for HTTP is deceived. Where a tool speaks one protocol within another
(a tunnel in DNS, TLS within TLS), both are there. `fully-encrypted` is what has no
structure from its first TCP payload on (Wu et al., USENIX Security 2023).
"""

from __future__ import annotations

_ENCRYPTED = frozenset({"fully-encrypted"})
_TLS = frozenset({"tls"})
_TUNNEL = frozenset({"tls", "tls-in-tls"})
_QUIC = frozenset({"quic"})
_DNS_TUNNEL = frozenset({"dns", "dns-tunnel"})
_OPENVPN = frozenset({"openvpn"})
_NOTHING = frozenset[str]()

TRUTH: dict[str, frozenset[str]] = {
    # Plain programs.
    "fetch-http": frozenset({"http"}),
    "fetch-https": _TLS,
    "fetch-http3": _QUIC,
    "ntp": frozenset({"ntp"}),
    "stun": frozenset({"stun"}),
    "dtls": frozenset({"dtls"}),
    # With their trackers. aria2 encrypts the handshake, and has peers by the DHT.
    "bittorrent": frozenset({"bittorrent", "http"}),
    "bittorrent-utp": frozenset({"bt-utp", "http"}),
    "bittorrent-encrypted": _ENCRYPTED | {"bt-dht", "http"},
    "resolve-udp": frozenset({"dns"}),
    "resolve-dot": _TLS,
    "resolve-doh": _TLS,
    # VPNs.
    "openvpn-udp": _OPENVPN,
    "openvpn-udp-tls-auth": _OPENVPN,
    "openvpn-udp-tls-crypt": _OPENVPN,
    "openvpn-udp-tls-crypt-v2": _OPENVPN,
    "openvpn-tcp": _OPENVPN,
    "openvpn-tcp-tls-auth": _OPENVPN,
    "openvpn-tcp-tls-crypt": _OPENVPN,
    "wireguard": frozenset({"wireguard"}),
    "wireguard-sing-box": frozenset({"wireguard"}),
    "wireguard-padding": frozenset({"wireguard"}),
    "state-vpn": _OPENVPN,
    "openconnect": _TUNNEL,
    "ike": frozenset({"isakmp"}),
    "l2tp": frozenset({"l2tp"}),
    "pptp": frozenset({"pptp"}),
    "nebula": _NOTHING,
    # Proxies in the clear, over SSH and over TLS.
    "http-proxy": frozenset({"http"}),
    "pproxy-http": frozenset({"http"}),
    "microsocks": frozenset({"socks"}),
    "ssh": frozenset({"ssh"}),
    "stunnel": _TUNNEL,
    "trojan": _TUNNEL,
    "trojan-gfw": _TUNNEL,
    "trojan-tun": _TUNNEL,
    "trojan-ech": _TUNNEL,
    "trojan-fragment": _TUNNEL,
    "trojan-record-fragment": _TUNNEL,
    "pproxy-trojan": _TUNNEL,
    "vless-tls": _TUNNEL,
    "vless-ws": _TUNNEL,
    "vless-grpc": _TUNNEL,
    "vless-httpupgrade": _TUNNEL,
    "vless-vision": _TUNNEL,
    "vless-reality": _TUNNEL,
    "vless-reality-xray": _TUNNEL,
    "vmess-ws-tls": _TUNNEL,
    "anytls": _TUNNEL,
    "shadowtls": _TUNNEL,
    "shadowsocks-v2ray-plugin": _TUNNEL,
    # What looks like nothing.
    "shadowsocks": _ENCRYPTED,
    "shadowsocks-relay": _ENCRYPTED,
    "shadowsocks-transparent": _ENCRYPTED,
    "shadowsocks-2022": _ENCRYPTED,
    "pproxy-ss": _ENCRYPTED,
    "vmess": _ENCRYPTED,
    "v2ray-vmess": _ENCRYPTED,
    "obfs4": _ENCRYPTED | {"obfs4"},
    "tor-obfs4": _ENCRYPTED | {"obfs4"},
    "mtproto-obfuscated": _ENCRYPTED | {"mtproto"},
    "mtproto-pushed": _ENCRYPTED | {"mtproto"},
    "mtproto-dd": _ENCRYPTED | {"mtproto"},
    "kcptun": _NOTHING,
    "v2ray-mkcp": _NOTHING,
    "hysteria2-salamander": _NOTHING,
    # What plays something else.
    "shadowsocks-simple-obfs-http": _NOTHING,
    "shadowsocks-simple-obfs-tls": _NOTHING,
    "fteproxy": _NOTHING,
    "mtproto-ee": frozenset({"mtproto-fake-tls"}),
    # Over QUIC.
    "hysteria2": _QUIC,
    "tuic": _QUIC,
    "vless-quic": _QUIC,
    "http3-aioquic": _QUIC,
    "http3-curl-cffi": _QUIC,
    # Telegram and Tor, as they are.
    "mtproto-plain": frozenset({"mtproto"}),
    "tor-bridge": frozenset({"tls", "tor"}),
    # In DNS and ICMP.
    "iodine": _DNS_TUNNEL,
    "iodine-raw": _DNS_TUNNEL,
    "dns2tcp": _DNS_TUNNEL,
    "ptunnel-ng": frozenset({"icmp-tunnel"}),
    # Clients with a chosen look, and encrypted names.
    "curl-cffi-chrome": _TLS,
    "curl-cffi-firefox": _TLS,
    "curl-cffi-safari": _TLS,
    "ech-curl-cffi": _TLS,
    "doh-ech-curl-cffi": _TLS,
    "dpyproxy-both": _TLS,
    "dpyproxy-record": _TLS,
    "dpyproxy-segment": _TLS,
    "sing-box-fragment": _TLS,
    "sing-box-record-fragment": _TLS,
    "doh-curl": _TLS,
    "doh-dig": _TLS,
    "doh-dnspython": _TLS,
    "doh-kdig": _TLS,
    "dot-dig": _TLS,
    "dot-dnspython": _TLS,
    "dot-kdig": _TLS,
    "dot-stubby": _TLS,
    "dot-unbound": _TLS,
}
