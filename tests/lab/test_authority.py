"""Certificates of a run are believed by a TLS stack, and only for what they name."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from filterlab.lab.authority import Authority, Certificate


def handshake(
    server: Certificate, trusted: Path, name: str, client: Certificate | None = None
) -> None:
    """A whole TLS handshake between two memory buffers; raises what TLS raises."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server.chain_file, server.key_file)
    client_context = ssl.create_default_context(cafile=str(trusted))
    if client is not None:
        server_context.load_verify_locations(trusted)
        server_context.verify_mode = ssl.CERT_REQUIRED
        client_context.load_cert_chain(client.chain_file, client.key_file)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client_context.wrap_bio(down, up, server_hostname=name),
        server_context.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(4):  # TLS 1.3 takes one round trip and a half
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[0].version() == "TLSv1.3"
    assert ends[1].cipher() is not None


def test_a_server_certificate_is_believed_for_its_names_and_addresses(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue(
        "news", names=["news.example"], addresses=["198.18.0.5", "2001:db8::5"]
    )
    for name in ("news.example", "198.18.0.5", "2001:db8::5"):
        handshake(certificate, authority.ca_file, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(certificate, authority.ca_file, "other.example")


def test_without_names_it_is_for_the_name_of_its_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    handshake(authority.issue("a.example"), authority.ca_file, "a.example")


def test_another_run_does_not_believe_it(tmp_path: Path) -> None:
    certificate = Authority(tmp_path / "one").issue("a.example")
    other = Authority(tmp_path / "two")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate, other.ca_file, "a.example")


def test_a_client_certificate_proves_a_client_and_serves_nobody(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("a.example")
    client = authority.issue("user", usage="client")
    handshake(server, authority.ca_file, "a.example", client)
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(client, authority.ca_file, "user")


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    key_file = Authority(tmp_path).issue("a.example").key_file
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_a_name_longer_than_a_common_name_may_be_still_works(tmp_path: Path) -> None:
    name = ".".join(["label" * 10] * 3) + ".example"
    authority = Authority(tmp_path)
    handshake(authority.issue("long", names=[name]), authority.ca_file, name)


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name of a file"):
        Authority(tmp_path).issue("../elsewhere")
