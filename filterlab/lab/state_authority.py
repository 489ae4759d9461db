"""The chain above a state's forged certificates, as Kazakhstan published it in 2019.

A root of 4096 bits for thirty years that subscribers were asked to install, and below
it an issuer of 2048 bits for three years, which signs. Source: Censored Planet's report
of 23 July 2019.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

ROOT_NAME, ISSUER_NAME = "Qaznet Trust Network", "Security Certificate"
_ROOT_BITS, _ISSUER_BITS = 4096, 2048
_ROOT_DAYS, _ISSUER_DAYS = 30 * 365, 3 * 365
_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class StateAuthority:
    """Files of the root that is to be installed, and of the issuer that signs."""

    root_file: Path
    issuer_file: Path
    issuer_key_file: Path

    @classmethod
    def make(cls, folder: Path) -> StateAuthority:
        """A chain made anew, in files below a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        files = cls(*(folder / n for n in ("root.pem", "issuer.pem", "issuer.key")))
        root_key = rsa.generate_private_key(_EXPONENT, _ROOT_BITS)
        key = rsa.generate_private_key(_EXPONENT, _ISSUER_BITS)
        root_name, name = _name(ROOT_NAME), _name(ISSUER_NAME)
        root = _builder(root_name, root_name, root_key, _ROOT_DAYS)
        issuer = _builder(name, root_name, key, _ISSUER_DAYS)
        for file, builder in ((files.root_file, root), (files.issuer_file, issuer)):
            made = builder.sign(root_key, hashes.SHA256())
            file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        files.issuer_key_file.touch(mode=0o600)
        files.issuer_key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "KZ"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, days: int
) -> x509.CertificateBuilder:
    # A day back: clocks of the lab are scaled or set back.
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
    )
