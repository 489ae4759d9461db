"""The lab's certificate authority: one root a run, and certificates signed by it.

Servers of a run show certificates of this root and clients trust nothing else, so a
certificate made by somebody in between is told from the real one. Keys are EC P-256
(what most of the web uses today, and quick to make); profiles follow RFC 5280
section 4.2 as far as TLS implementations check it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Usage = Literal["server", "client"]

_USAGES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}
# Some TLS stacks refuse server certificates that last longer (CA/Browser Forum
# baseline requirements, 6.3.2: 398 days).
_VALID = datetime.timedelta(days=397)
# A certificate must hold already while clocks of the lab are scaled or set back.
_BACKDATED = datetime.timedelta(days=1)
_COMMON_NAME_MAX = 64  # RFC 5280 appendix A.1, ub-common-name


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of one certificate: itself, its key, and itself followed by the root."""

    cert_file: Path
    key_file: Path
    chain_file: Path


class Authority:
    """A certificate authority whose files lie in `folder`, made anew for each run."""

    def __init__(self, folder: Path, name: str = "FilterLab root") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _subject(name)
        self._root = self._sign_root()
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(_pem(self._root))

    def issue(
        self,
        name: str,
        *,
        names: Iterable[str] = (),
        addresses: Iterable[str] = (),
        usage: Usage = "server",
    ) -> Certificate:
        """A certificate in files called `name`, for DNS names and addresses.

        Without names and addresses it is for `name` itself.
        """
        if Path(name).name != name:
            raise ValueError(f"{name!r} cannot be the name of a file")
        general: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
        general += [x509.IPAddress(ip_address(one)) for one in addresses]
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(_subject(name), key.public_key())
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_USAGES[usage]]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName(general or [x509.DNSName(name)]),
                critical=False,
            )
        )
        return self._write(name, builder.sign(self._key, hashes.SHA256()), key)

    def _write(
        self, name: str, leaf: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> Certificate:
        files = Certificate(
            self._folder / f"{name}.pem",
            self._folder / f"{name}.key",
            self._folder / f"{name}.chain.pem",
        )
        files.cert_file.write_bytes(_pem(leaf))
        files.chain_file.write_bytes(_pem(leaf) + _pem(self._root))
        files.key_file.touch(mode=0o600)  # programs refuse keys that others may read
        files.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _sign_root(self) -> x509.Certificate:
        return (
            self._builder(self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(True, 0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        issuer = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now - _BACKDATED + _VALID)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(public), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer),
                critical=False,
            )
        )


def _subject(name: str) -> x509.Name:
    common = x509.NameAttribute(NameOID.COMMON_NAME, name[:_COMMON_NAME_MAX])
    return x509.Name([common])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
