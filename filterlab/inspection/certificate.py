"""Reads the names that a certificate is for.

Source: ITU-T X.690, 8.1 (DER: tag, length, content); RFC 5280, 4.1 (certificate),
4.1.2.6 (subject) and 4.2.1.6 (subject alternative name). Only what leads to the names
is read, and a broken certificate gives the names before the break.
"""

from __future__ import annotations

from collections.abc import Iterator

_VERSION, _EXTENSIONS, _OCTETS, _OID = 0xA0, 0xA3, 0x04, 0x06
_DNS_NAME = 0x82  # RFC 5280, 4.2.1.6: [2] IA5String
_COMMON_NAME = b"\x55\x04\x03"  # 2.5.4.3 (RFC 5280, A.1)
_ALTERNATIVE = b"\x55\x1d\x11"  # 2.5.29.17 (RFC 5280, 4.2.1.6)
_UTF_16 = 0x1E  # BMPString
_SUBJECT_AT = 4  # serial number, signature, issuer and validity come before it


def certificate_names(der: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The subject's common names, and the DNS names beside it."""
    _, certificate = next(_parts(der), (0, b""))
    _, signed = next(_parts(certificate), (0, b""))
    parts = [part for part in _parts(signed) if part[0] != _VERSION]
    subject = parts[_SUBJECT_AT][1] if len(parts) > _SUBJECT_AT else b""
    common = tuple(_common_names(subject))
    listed = (content for tag, content in parts if tag == _EXTENSIONS)
    return common, tuple(_dns_names(next(listed, b"")))


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of every value in a row, up to the first that is broken."""
    at = 0
    while at + 2 <= len(der):
        tag, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:  # the long form: so many bytes of length
            more = size & 0x7F
            size = int.from_bytes(der[at : at + more], "big")
            at += more
        if at + size > len(der):
            return
        yield tag, der[at : at + size]
        at += size


def _common_names(subject: bytes) -> Iterator[str]:
    for _, name in _parts(subject):
        for _, pair in _parts(name):
            values = list(_parts(pair))
            if len(values) == 2 and values[0] == (_OID, _COMMON_NAME):
                tag, text = values[1]
                yield text.decode("utf-16-be" if tag == _UTF_16 else "utf-8", "replace")


def _dns_names(extensions: bytes) -> Iterator[str]:
    _, listed = next(_parts(extensions), (0, b""))
    for _, extension in _parts(listed):
        values = list(_parts(extension))
        if values and values[0] == (_OID, _ALTERNATIVE) and values[-1][0] == _OCTETS:
            _, names = next(_parts(values[-1][1]), (0, b""))
            for tag, name in _parts(names):
                if tag == _DNS_NAME:
                    yield name.decode("latin-1")
