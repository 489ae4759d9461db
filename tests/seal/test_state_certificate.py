"""mitmproxy's forged certificates, held to what was published of Kazakhstan's."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

SCENARIO = (
    Path(__file__).parents[2] / "scenarios" / "kazakhstan" / "2019-certificate.yaml"
)


# The server's certificate has both names; only the first is listed.
LOOK = """
for name in social.example front.example; do
    openssl s_client -connect 198.18.1.2:443 -servername $name -showcerts </dev/null
    echo ------
done
"""
SAN = x509.SubjectAlternativeName
SIX_HOURS = datetime.timedelta(hours=6)
PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def test_the_leaf_is_the_origins_but_for_what_was_published(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("caddy", "unbound", "wg", "mitmdump", "openssl")
    command = [sys.executable, "-m", "filterlab.cli", "exec", str(SCENARIO)]
    command += ["--as", "alice", "--phase", "read", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, "--", "sh", "-c", LOOK], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    read, unread, _ = done.stdout.split("------\n")
    (leaf, issuer), (origin, *_) = certificates(read), certificates(unread)
    assert leaf.subject == origin.subject
    names = [c.extensions.get_extension_for_class(SAN).value for c in (leaf, origin)]
    assert names[0] == names[1]
    assert [one.oid for one in leaf.extensions] == [SAN.oid]
    assert leaf.not_valid_before_utc == origin.not_valid_before_utc - SIX_HOURS
    assert leaf.not_valid_after_utc == origin.not_valid_after_utc - SIX_HOURS
    assert leaf.serial_number >> 32 == origin.serial_number >> 32
    assert leaf.serial_number != origin.serial_number
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert issuer.subject == leaf.issuer
    assert issuer.subject.rfc4514_string() == "CN=Security Certificate,C=KZ"
    assert issuer.issuer.rfc4514_string() == "CN=Qaznet Trust Network,C=KZ"
    leaf.verify_directly_issued_by(issuer)
    assert origin.issuer.rfc4514_string() == "CN=FilterLab root"


def certificates(said: str) -> list[x509.Certificate]:
    """The certificates that a server showed, the leaf first."""
    return [x509.load_pem_x509_certificate(one.encode()) for one in PEM.findall(said)]
