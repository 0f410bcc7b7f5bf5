"""The installation's secret key: what is made from it, where it comes from, and how it is kept."""

from __future__ import annotations

import hashlib
import hmac
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.identity.secret_key import derive, keys_of, load_or_make, with_secret_key
from shared.settings import Settings, SettingsError

SECRET = "0123456789abcdef" * 2


def hkdf(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 by hand: no salt is a salt of zeros, and 32 bytes are one block."""
    extracted = hmac.digest(bytes(32), secret, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def test_each_purpose_has_a_key_of_its_own_by_hkdf() -> None:
    keys = derive(SECRET)
    assert keys.tokens == hkdf(SECRET.encode(), b"busbar tokens v1")
    assert keys.signing_keys == hkdf(SECRET.encode(), b"busbar signing keys v1")
    assert keys.csrf == hkdf(SECRET.encode(), b"busbar csrf v1")
    assert len({keys.tokens, keys.signing_keys, keys.csrf}) == 3
    assert derive(SECRET) == keys
    assert derive(SECRET + "x").tokens != keys.tokens
    assert repr(keys) == "SecretKeys()"


def test_the_key_in_a_folder_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    made = load_or_make(tmp_path / "data")
    file = tmp_path / "data" / "secret-key"
    assert len(made) >= 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_or_make(tmp_path / "data") == made
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret-key"]
    assert load_or_make(tmp_path / "other") != made


def test_many_that_make_it_at_once_agree(tmp_path: Path) -> None:
    found: list[str] = []
    together = threading.Barrier(8)

    def make() -> None:
        together.wait(30)
        found.append(load_or_make(tmp_path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_can_read_or_that_is_short_or_no_text_is_refused(tmp_path: Path) -> None:
    load_or_make(tmp_path)
    file = tmp_path / "secret-key"
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_or_make(tmp_path)
    file.chmod(0o600)
    file.write_text("short\n")
    with pytest.raises(SettingsError, match="at least 32"):
        load_or_make(tmp_path)
    file.write_bytes(b"\xff" * 40)
    with pytest.raises(SettingsError, match="cannot be used"):
        load_or_make(tmp_path)


def test_a_data_folder_that_is_none_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="file"):
        load_or_make(tmp_path / "file")


def test_real_servers_need_a_key_and_the_embedded_default_makes_one(tmp_path: Path) -> None:
    url = SecretStr("postgresql://db/busbar")
    with pytest.raises(SettingsError, match="BUSBAR_SECRET_KEY") as refused:
        with_secret_key(Settings(data_dir=tmp_path, database_url=url))
    assert refused.value.exit_status == 2
    with pytest.raises(SettingsError, match="at least 32"):
        with_secret_key(Settings(data_dir=tmp_path, database_url=url, secret_key=SecretStr("x" * 31)))
    given = Settings(data_dir=tmp_path, database_url=url, secret_key=SecretStr(SECRET))
    assert with_secret_key(given) is given
    assert list(tmp_path.iterdir()) == []
    embedded = with_secret_key(Settings(data_dir=tmp_path))
    assert keys_of(embedded) == derive(load_or_make(tmp_path))
    assert keys_of(with_secret_key(Settings(data_dir=tmp_path, secret_key=SecretStr(SECRET)))) == derive(SECRET)
    with pytest.raises(SettingsError, match="BUSBAR_SECRET_KEY"):
        keys_of(Settings(data_dir=tmp_path))
