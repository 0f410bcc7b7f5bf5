"""Which first administrator the settings name, and which they must not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.identity.bootstrap import first_administrator
from shared.settings import Settings, SettingsError

GOOD = "correct horse battery 7"


def settings(folder: Path, email: str | None, password: str | None) -> Settings:
    secret = None if password is None else SecretStr(password)
    return Settings(data_dir=folder, admin_email=email, admin_password=secret)


def test_both_or_neither(tmp_path: Path) -> None:
    assert first_administrator(settings(tmp_path, None, None)) is None
    named = first_administrator(settings(tmp_path, "admin@suite.example", GOOD))
    assert named is not None
    assert (named.email, named.password) == ("admin@suite.example", GOOD)
    assert GOOD not in repr(named)


@pytest.mark.parametrize(
    ("email", "password", "word"),
    [
        ("admin@suite.example", None, "BUSBAR_ADMIN_PASSWORD"),
        (None, GOOD, "BUSBAR_ADMIN_EMAIL"),
        ("admin", GOOD, "BUSBAR_ADMIN_EMAIL"),
        ("admin@suite.example", "sh0rt", "at least 12"),
        ("admin@suite.example", "the admin is me 7", "name"),
        ("root@suite.example", "passwordpassword", "common"),
    ],
)
def test_half_of_it_or_a_weak_password_stops_the_start(
    tmp_path: Path, email: str | None, password: str | None, word: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        first_administrator(settings(tmp_path, email, password))
    assert word in refused.value.message
    assert refused.value.exit_status == 2
    assert password is None or password not in refused.value.message
