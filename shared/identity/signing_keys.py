"""Keys that sign access tokens: RSA pairs, the private half encrypted under a key made from the installation's.

Pure: no clock, no database. To make a pair takes tens of milliseconds or more and belongs into a thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from joserfc.jwk import RSAKey

from shared.errors import BusbarError

ALGORITHM = "RS256"
KEY_BITS = 2048
PUBLIC_EXPONENT = 65537
NONCE_BYTES = 12


class SigningKeyUnreadable(BusbarError):
    """The private half was encrypted under another installation key."""

    code = "signing_key_unreadable"
    exit_status = 2

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"The signing key {key_id} was encrypted with another BUSBAR_SECRET_KEY. Put that one back, or make a new signing "
            "key with `busbar signing-key rotate --now`; tokens signed before stay valid until they expire."
        )
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key as it is kept: the public half as in the published set (RFC 7517), the private half encrypted."""

    key_id: str
    public_key: Mapping[str, str]
    private_key: bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair and its life: published from the start, signing from ``signs_from`` until the next one does, believed until the end."""

    pair: KeyPair
    created_at: datetime
    signs_from: datetime
    retired_at: datetime | None
    verifies_until: datetime | None

    @property
    def key_id(self) -> str:
        """What the header of a token names it by."""
        return self.pair.key_id


def new_key_pair(encryption_key: bytes) -> KeyPair:
    """Make a key. Its id is its thumbprint (RFC 7638), so that two keys never share one."""
    private = rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS)
    key = RSAKey.import_key(private)
    key_id = key.thumbprint()
    numbers = key.as_dict(private=False)
    public = {
        "kty": "RSA",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": key_id,
        "n": str(numbers["n"]),
        "e": str(numbers["e"]),
    }
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    nonce = os.urandom(NONCE_BYTES)
    return KeyPair(key_id, public, nonce + AESGCM(encryption_key).encrypt(nonce, der, key_id.encode()))


def public_half(pair: KeyPair) -> RSAKey:
    """What a signature is checked with."""
    return RSAKey.import_key(dict(pair.public_key))


def private_half(pair: KeyPair, encryption_key: bytes) -> RSAKey:
    """What signs.

    Raises:
        SigningKeyUnreadable: it was encrypted under another key.
    """
    nonce, sealed = pair.private_key[:NONCE_BYTES], pair.private_key[NONCE_BYTES:]
    try:
        der = AESGCM(encryption_key).decrypt(nonce, sealed, pair.key_id.encode())
    except InvalidTag:
        raise SigningKeyUnreadable(pair.key_id) from None
    private = load_der_private_key(der, password=None)
    assert isinstance(private, rsa.RSAPrivateKey)  # this module made it
    return RSAKey.import_key(private)
