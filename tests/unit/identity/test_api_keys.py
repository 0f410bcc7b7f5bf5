"""The form of API keys."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identity.api_keys import new_api_key, parse_api_key

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_a_new_key_has_the_form_of_the_contract_and_is_found_again() -> None:
    for _ in range(200):
        made = new_api_key()
        assert re.fullmatch(r"bb_[A-Za-z0-9_-]{8}_[A-Za-z0-9_-]{43}", made.api_key)
        secret = made.api_key[12:]
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32
        assert made.secret_hash == hashlib.sha256(secret.encode()).digest()
        assert parse_api_key(made.api_key) == (made.key_id, made.secret_hash)
        # Neither an option on a command line nor shown in a traceback.
        assert made.key_id.isalnum()
        assert made.api_key not in repr(made)


@given(st.text(BASE64URL, min_size=8, max_size=8), st.text(BASE64URL, min_size=43, max_size=43))
def test_whatever_has_the_form_is_taken_apart_at_the_right_place(key_id: str, secret: str) -> None:
    assert parse_api_key(f"bb_{key_id}_{secret}") == (key_id, hashlib.sha256(secret.encode()).digest())


@given(st.text(max_size=300))
def test_whatever_has_not_is_no_key(text: str) -> None:
    if re.fullmatch(r"bb_[A-Za-z0-9_-]{8}_[A-Za-z0-9_-]{43}", text, re.ASCII) is None:
        assert parse_api_key(text) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key + "\n",
        lambda key: " " + key,
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: "BB_" + key[3:],
        lambda key: key[:11] + "-" + key[12:],
        lambda key: key[:20] + "é" + key[21:],
        lambda key: key[:20] + "=" + key[21:],
        lambda key: key * 5,
    ],
)
def test_a_key_that_was_changed_is_no_key(change: object) -> None:
    assert callable(change)
    assert parse_api_key(change(new_api_key().api_key)) is None
