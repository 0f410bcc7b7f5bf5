"""Heimdall's own Python client, as its vendor publishes it, against a gateway process and a client that the command line made."""

from __future__ import annotations

import pytest
import requests
from heimdall_api_client import HeimdallApiClient

from tests.support.line_telemetry import TOKEN_PATH
from tests.support.stack import ServiceProcess


def test_a_client_of_the_command_line_signs_in_and_calls_us(on_servers: ServiceProcess) -> None:
    on_servers.printed("account", "create", "North Grid")
    made = on_servers.printed(
        *("client", "create", "Poller", "--account", "North Grid", "--role", "platform_admin", "--region", "us"),
    )
    client = HeimdallApiClient(made["client_id"], made["client_secret"], api_base_url=on_servers.url)
    client.auth_service.token_url = on_servers.url + TOKEN_PATH
    token = client.auth_service.get_valid_token()
    assert client.auth_service.get_region_from_token() == "us"
    headers = {"Authorization": f"Bearer {token}"}
    listed = requests.get(f"{on_servers.url}/access/v1/clients", headers=headers, timeout=30)
    assert [found["client_id"] for found in listed.json()["data"]] == [made["client_id"]]
    stranger = HeimdallApiClient(made["client_id"], "wrong", api_base_url=on_servers.url)
    stranger.auth_service.token_url = on_servers.url + TOKEN_PATH
    with pytest.raises(requests.HTTPError):
        stranger.auth_service.get_valid_token()
