"""The installation's secret key, from which the keys for tokens, signing keys and forms are made; and where it comes from."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from shared.settings import Settings, SettingsError

MIN_LENGTH = 32
FILE_NAME = "secret-key"


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """One key of 32 bytes for each purpose: whoever learns one learns nothing of the others."""

    tokens: bytes = field(repr=False)
    signing_keys: bytes = field(repr=False)
    csrf: bytes = field(repr=False)


def derive(secret: str) -> SecretKeys:
    """The keys that belong to a secret key (HKDF-SHA-256, RFC 5869)."""
    return SecretKeys(*(_derive(secret, purpose) for purpose in ("tokens", "signing keys", "csrf")))


def keys_of(settings: Settings) -> SecretKeys:
    """The keys of a process whose settings hold a secret key.

    Raises:
        SettingsError: they hold none, or one that is too short.
    """
    if settings.secret_key is None:
        raise SettingsError(
            "BUSBAR_SECRET_KEY (or BUSBAR_SECRET_KEY_FILE) is missing: sign-ins are protected with it. Give all gateways the same one, "
            f"of at least {MIN_LENGTH} characters; `openssl rand -hex 32` makes one"
        )
    return derive(_checked(settings.secret_key.get_secret_value(), "BUSBAR_SECRET_KEY"))


def with_secret_key(settings: Settings) -> Settings:
    """Settings that hold a secret key: the given one, or on the embedded database the one kept in its folder.

    Raises:
        SettingsError: it is missing, too short, or kept where others can read it.
    """
    if settings.secret_key is None and settings.database_url is None:
        return settings.model_copy(update={"secret_key": SecretStr(load_or_make(settings.data_dir))})
    keys_of(settings)
    return settings


def load_or_make(data_dir: Path) -> str:
    """The secret key kept in a data folder, made at the first time.

    Raises:
        SettingsError: the file cannot be used, or others can read it.
    """
    path = data_dir / FILE_NAME
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise SettingsError(
                f"the secret key {path} can be read by others: `chmod 600 {path}`, or delete it, which ends all sign-ins"
            )
        return _checked(path.read_text("ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the secret key {path} cannot be used: {error}") from error


def _make(path: Path) -> None:
    """Write a new key whole, or leave the one that somebody else was quicker to write."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return
    finally:
        unfinished.unlink(missing_ok=True)


def _checked(secret: str, where: str) -> str:
    if len(secret) < MIN_LENGTH:
        raise SettingsError(
            f"{where} must have at least {MIN_LENGTH} characters; `openssl rand -hex 32` makes a good one"
        )
    return secret


def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=f"busbar {purpose} v1".encode()).derive(secret.encode())
