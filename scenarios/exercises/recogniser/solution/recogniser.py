"""Says whether a flow is WireGuard's, by what its client sent first."""


def recognise(features, first_payload):
    """A handshake initiation: type 1, three zero bytes, 148 bytes in all."""
    return len(first_payload) == 148 and first_payload[:4] == b"\x01\x00\x00\x00"
