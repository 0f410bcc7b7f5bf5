"""The certificate that the gateway shows when it speaks TLS itself, without a proxy in front."""

from __future__ import annotations

import ssl
from pathlib import Path

from shared.errors import BusbarError


class UnusableCertificate(BusbarError):
    """The certificate or its key cannot be read, or the two do not belong together."""

    code = "unusable_certificate"
    exit_status = 2


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a TLS server needs: the certificate with its chain, and its key, both as PEM files.

    Raises:
        UnusableCertificate: naming the files.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key that wants a passphrase would make OpenSSL ask for it on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except OSError as error:  # ssl.SSLError is one
        raise UnusableCertificate(
            f"the certificate {certificate} with the key {key} cannot be used: {error}"
        ) from error
    return context
