"""The gateway speaks TLS itself where it has a certificate, and says which file is at fault where that cannot be used."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.gateway.http.tls import UnusableCertificate, server_context
from tests.unit.gateway.http.wire import wire


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "busbar test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


async def test_a_client_that_trusts_the_certificate_is_served_and_knows_the_way_to_be_secure(
    files: tuple[Path, Path],
) -> None:
    trusting = ssl.create_default_context(cafile=str(files[0]))
    async with (
        wire(tls=server_context(*files)) as served,
        ClientSession(connector=TCPConnector(ssl=trusting)) as client,
        client.get(f"https://127.0.0.1:{served.port}/api/things/a") as response,
    ):
        assert response.status == 200
        assert "; Secure" in response.headers["Set-Cookie"]


def test_a_key_that_is_not_the_certificates_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    certificate_file, key_file = files
    with pytest.raises(UnusableCertificate, match=r"cert\.pem"):
        server_context(certificate_file, tmp_path / "absent.pem")
    other = ec.generate_private_key(ec.SECP256R1())
    key_file.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(UnusableCertificate, match=r"key\.pem"):
        server_context(certificate_file, key_file)
