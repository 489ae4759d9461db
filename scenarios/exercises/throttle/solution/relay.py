"""Between your browser and the network: how the ClientHello goes out."""

SIZE = 20  # shorter than a name with what stands before it


def record(part: bytes) -> bytes:
    """A TLS record: handshake (22), version, length (RFC 8446, 5.1)."""
    return b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part


def pieces(hello: bytes) -> list[bytes]:
    """The same message in many records: TLS allows that, and the server joins them."""
    message = hello[5:]
    return [record(message[at : at + SIZE]) for at in range(0, len(message), SIZE)]
