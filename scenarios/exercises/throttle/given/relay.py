"""Between your browser and the network: how the ClientHello goes out."""


def pieces(hello: bytes) -> list[bytes]:
    """Each piece is sent on its own. `hello` is one whole TLS record."""
    return [hello]
