"""Entity addresses follow the host under which a client reached the server."""

from __future__ import annotations

import pytest

from services.gateway.dialects.flexibility.entity_addresses import entity_address


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.example.com", "com.example.api"),
        ("API.Example.com:8000", "com.example.api"),
        ("localhost:5000", "localhost"),
        ("127.0.0.1:80", "1.0.0.127"),
        ("[::1]:8000", "localhost"),
        ("", "localhost"),
        ('bad"host', "localhost"),
    ],
)
def test_the_host_is_read_from_its_end(host: str, name: str) -> None:
    assert entity_address(host, 77) == f"ea1.2024-01.{name}:fm1.77"
