"""Promise 16: secrets that anybody can recognise, used in every way, right and wrong, and then looked for wherever nobody should find them.

A real ``busbar up`` on the embedded default: what it logs, stores, measures, answers when it refuses, and shows in the process list.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psutil
import pytest

from tests.support.apis import ApiClient, Got, api_client
from tests.support.stack import BUSBAR, ROOT, ServiceProcess, busbar_up, clean_environment

pytestmark = pytest.mark.timeout(240)

ADMIN = "root@site.example"
TOKEN_PATH = "/hpadb2cprod.onmicrosoft.com/b2c_1a_clientcredentialsflow/oauth2/v2.0/token"
SCOPE = "https://hpadb2cprod.onmicrosoft.com/dc5758ae-4eea-416e-9e61-812914d9a49a/.default"


def canary(kind: str) -> str:
    return f"canary-{kind}-{secrets.token_hex(12)}"


@dataclass
class Canaries:
    """Every secret by name: those that the test has chosen, and those that it was given. ``texts`` are what must be nowhere."""

    admin_password: str = field(default_factory=lambda: canary("admin"))
    secret_key: str = field(default_factory=lambda: canary("key") + secrets.token_hex(16))
    password: str = field(default_factory=lambda: canary("password"))
    cli_password: str = field(default_factory=lambda: canary("cli"))
    wrong: str = field(default_factory=lambda: canary("wrong"))
    given: dict[str, str] = field(default_factory=dict)

    def texts(self) -> dict[str, bytes]:
        chosen = {name: value for name, value in vars(self).items() if isinstance(value, str)}
        found = {}
        for name, value in (chosen | self.given).items():
            # Of a key or a signed token the part that is secret.
            secret = value[12:] if value.startswith("bb_") else value.rpartition(".")[2]
            found[name] = secret.encode()
            found[f"{name} in Base64"] = base64.b64encode(secret.encode())[:-4]
        return found


@dataclass
class Site:
    """The running platform, and everything that it has answered to refuse something."""

    service: ServiceProcess
    data_dir: Path
    canaries: Canaries
    api: ApiClient
    refusals: list[tuple[str, Got]] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    async def call(self, method: str, path: str, **given: Any) -> Got:  # Any: as the client takes it
        got = await self.api.call(method, path, **given)
        if got.status >= 400:
            self.refusals.append((f"{method} {path[:60]}", got))
        return got

    async def form(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Got:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.call("POST", path, data=urlencode(fields).encode(), headers={**kind, **(headers or {})})

    def run(self, *arguments: str, typed: str = "", keep: bool = True) -> str:
        """A command beside the running platform; what it prints is looked through unless it is to show a secret once."""
        environment = clean_environment() | {"BUSBAR_DATA_DIR": str(self.data_dir)} | environment_of(self.canaries)
        done = subprocess.run(
            [*BUSBAR, *arguments],
            input=typed,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.printed += [done.stderr, *([done.stdout] if keep else [])]
        return done.stdout


def environment_of(canaries: Canaries) -> dict[str, str]:
    return {
        "BUSBAR_ADMIN_EMAIL": ADMIN,
        "BUSBAR_ADMIN_PASSWORD": canaries.admin_password,
        "BUSBAR_SECRET_KEY": canaries.secret_key,
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServiceProcess, Path, Canaries]]:
    folder = tmp_path_factory.mktemp("canary")
    canaries = Canaries()
    settings = {name.removeprefix("BUSBAR_"): value for name, value in environment_of(canaries).items()}
    # Everything is logged that could be, and Postgres has no other log than ours.
    made = busbar_up(folder / "data", folder / "up.log", "--no-open", LOG_LEVEL="debug", **settings)
    try:
        made.start()
        yield made, folder / "data", canaries
    finally:
        made.close()


@pytest.fixture
async def site(running: tuple[ServiceProcess, Path, Canaries]) -> AsyncIterator[Site]:
    service, data_dir, canaries = running
    async with api_client(int(service.url.rpartition(":")[2])) as api:
        yield Site(service, data_dir, canaries, api)


async def test_no_secret_is_found_where_it_should_not_be(site: Site) -> None:
    await use_passwords(site)
    await make_principals(site)
    await use_credentials(site)
    await provoke_errors(site)
    use_commands(site)
    metrics = (await site.call("GET", "/metrics")).body
    texts = site.canaries.texts()
    assert len(texts) >= 24, "the secrets that the platform gives out are among them"

    places: dict[str, bytes] = {"metrics": metrics, "log": site.service.log.read_bytes()}
    places |= {f"answer {number} to {what}": whole(got) for number, (what, got) in enumerate(site.refusals)}
    places |= {f"output {number}": text.encode() for number, text in enumerate(site.printed)}
    places |= of_children(site.service)
    places |= {str(path): path.read_bytes() for path in files_in(site.data_dir)}
    found = [
        f"{name} in {place}"
        for (place, data), (name, secret) in itertools.product(places.items(), texts.items())
        if secret in data
    ]
    assert not found, "\n".join(found)
    # What was looked through is what it should be.
    assert b"request_finished" in places["log"]
    assert b"busbar_gateway_requests_total" in metrics
    assert len(site.refusals) > 60
    assert any("postgres" in place for place in places)
    assert sum("/proc/" in place for place in places) >= 4


async def use_passwords(site: Site) -> None:
    """The administrator signs in, and somebody guesses."""
    c = site.canaries
    path = "/api/requestAuthToken"
    got = await site.call("POST", path, json={"email": ADMIN, "password": c.admin_password})
    assert got.status == 200, got.body
    c.given["token"] = got.json["auth_token"]
    for json_body in (
        {"email": ADMIN, "password": c.wrong},
        {"email": "nobody@site.example", "password": c.wrong},
        {"email": c.wrong[:0], "password": c.wrong},
        {"email": ADMIN, "password": [c.wrong]},
        {"email": ADMIN, "passwort": c.wrong},
        {"password": c.wrong + "\x00"},
    ):
        assert (await site.call("POST", path, json=json_body)).status >= 400
    truncated = json.dumps({"email": ADMIN, "password": c.wrong}).encode()[:-1]
    for kind in ("application/json", "text/plain"):
        assert (await site.call("POST", path, data=truncated, headers={"Content-Type": kind})).status >= 400
    await sign_in_by_browser(site)


async def sign_in_by_browser(site: Site) -> None:
    c = site.canaries
    page = await site.call("GET", "/login")
    assert page.status == 200
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', page.body.decode())
    assert csrf is not None
    cookies = {"Cookie": page.headers["Set-Cookie"].partition(";")[0]}
    fields = {"csrf_token": csrf[1], "email": ADMIN, "password": c.wrong, "next": "/account"}
    assert (await site.form("/login", fields, cookies)).status == 401
    got = await site.form("/login", fields | {"password": c.admin_password}, cookies)
    assert got.status == 303, got.body
    session = re.match(r"busbar_session=([^;]+)", got.headers["Set-Cookie"])
    assert session is not None
    c.given["session"] = session[1]
    with_session = {"Cookie": f"busbar_session={session[1]}"}
    assert (await site.call("GET", "/account", headers=with_session)).status == 200
    # Without the form's token, so that nothing happens.
    assert (
        await site.form("/account/password", {"password": c.admin_password, "new_password": c.wrong}, with_session)
    ).status == 403


async def make_principals(site: Site) -> None:
    """A user with a password, a key, and a client with a secret and a token."""
    c = site.canaries
    admin = {"Authorization": f"Bearer {c.given['token']}"}
    user = await site.call(
        "POST", "/admin/v1/users", json={"email": "ann@site.example", "password": c.password}, headers=admin
    )
    assert user.status == 201, user.body
    number = user.json["user_id"]
    key = await site.call("POST", "/admin/v1/keys", json={"user_id": number, "name": "script"}, headers=admin)
    c.given["api key"] = key.json["api_key"]
    client = await site.call(
        "POST", "/admin/v1/clients", json={"name": "feed", "roles": ["api_consumer", "reconfiguration"]}, headers=admin
    )
    c.given["client secret"] = client.json["client_secret"]
    asked = {
        "grant_type": "client_credentials",
        "client_id": client.json["client_id"],
        "client_secret": c.given["client secret"],
        "scope": SCOPE,
    }
    granted = await site.form(TOKEN_PATH, asked)
    assert granted.status == 200, granted.body
    c.given["access token"] = granted.json["access_token"]
    for wrong in (
        asked | {"client_secret": c.wrong},
        asked | {"scope": "https://elsewhere.example/.default"},
        asked | {"client_id": "nobody"},
        asked | {"grant_type": "password", "password": c.wrong},
    ):
        assert (await site.form(TOKEN_PATH, wrong)).status >= 400
    basic = base64.b64encode(f"{asked['client_id']}:{c.wrong}".encode()).decode()
    without = {name: value for name, value in asked.items() if not name.startswith("client")}
    assert (await site.form(TOKEN_PATH, without, {"Authorization": f"Basic {basic}"})).status >= 400
    for json_body in (
        {"password": c.wrong[:10]},
        {"password": "ann@site.example" + c.wrong},
        {"password": c.wrong, "more": c.wrong[:0]},
        {"password": [c.wrong]},
        {"passwort": 1, "password": c.wrong},
    ):
        got = await site.call("PUT", f"/admin/v1/users/{number}/password", json=json_body, headers=admin)
        assert got.status == 400, got.body


async def use_credentials(site: Site) -> None:
    """Each of them in each place, as it is and with a letter too many."""
    given = site.canaries.given
    paths = (
        "/api/server",
        "/api/v3_0/users",
        "/api/v2/user/view-profile",
        "/admin/v1/accounts",
        "/access/v1/clients",
        "/account",
    )
    for name, path in itertools.product(("token", "api key", "access token", "session"), paths):
        for value in (given[name], given[name] + "x"):
            for headers in (
                {"Authorization": f"Bearer {value}"},
                {"Authorization": value},
                {"X-API-Key": value},
                {"Cookie": f"busbar_session={value}"},
            ):
                assert (await site.call("GET", path, headers=headers)).status < 500
    for name in ("token", "api key"):
        for query in (f"auth_token={given[name]}", f"api_key={given[name]}", f"auth_token={given[name]}x"):
            assert (await site.call("GET", f"/api/v3_0/users?{query}")).status < 500
    good = {"Authorization": f"Bearer {given['token']}"}
    assert (await site.call("GET", "/admin/v1/accounts", headers=good)).status == 200
    assert (await site.call("GET", "/api/v2/user/view-profile", headers={"X-API-Key": given["api key"]})).status == 200
    jwt = {"Authorization": f"Bearer {given['access token']}"}
    assert (await site.call("GET", "/api/server", headers=jwt)).status == 200


async def provoke_errors(site: Site) -> None:
    """Requests that are wrong in themselves, with a secret in their headers, and bytes that are no HTTP."""
    given = site.canaries.given
    good = {"Authorization": f"Bearer {given['token']}"}
    for method, path in (
        ("GET", "/nothing"),
        ("GET", "/api/v2/%FF"),
        ("GET", "/api/networks/" + quote("a\nb")),
        ("PATCH", "/api/server"),
        ("GET", "/api/v3_0/users/x"),
        ("POST", "/api/networks/n"),
        ("POST", "/admin/v1/users"),
        ("DELETE", "/admin/v1/users/x"),
        ("GET", "/admin/v1/audit?since=yesterday"),
        ("PUT", "/api/sessions/s/runOptimization"),
    ):
        assert (await site.call(method, path, headers=good)).status < 500
    await site.call("GET", "/api/server", headers=good | {"X-Request-ID": "a b", "traceparent": "nonsense"})
    process = subprocess.run(
        ["python3", "-c", RAW, site.service.url.rpartition(":")[2], given["token"]],
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert b" 400 " in process.stdout
    site.printed.append(process.stdout.decode("latin-1"))


RAW = """
import socket, sys
for head in ("GET / HTTP/9.9", "GET /api/server HTTP/1.1\\r\\nContent-Length: -1", "nonsense"):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) as connection:
        connection.sendall(f"{head}\\r\\nAuthorization: Bearer {sys.argv[2]}\\r\\n\\r\\n".encode())
        print(connection.recv(65536))
"""


def use_commands(site: Site) -> None:
    """What an operator types: the password by standard input, and what shows settings and principals."""
    c = site.canaries
    site.run("account", "create", "East")
    made = site.run(
        "user", "create", "eve@east.example", "--account", "East", "--password-stdin", typed=c.cli_password + "\n"
    )
    assert "eve@east.example" in made
    shown = site.run("key", "create", "eve@east.example", "--name", "k", "--json", keep=False)
    c.given["api key of the command line"] = json.loads(shown)["api_key"]
    shown = site.run("client", "create", "c", "--account", "East", "--role", "ingest", "--json", keep=False)
    c.given["client secret of the command line"] = json.loads(shown)["client_secret"]
    config = site.run("config")
    assert "BUSBAR_ADMIN_PASSWORD" in config
    for command in (
        ("config", "--json"),
        ("user", "list", "--json"),
        ("key", "list", "--json"),
        ("client", "list", "--json"),
        ("audit", "--json"),
        ("doctor",),
        ("dlq", "list"),
    ):
        assert site.run(*command) is not None
    site.run("user", "create", "no", "--account", "East", "--password-stdin", typed=c.wrong)


def whole(got: Got) -> bytes:
    return b"\n".join([*(f"{name}: {value}".encode() for name, value in got.headers.items()), got.body])


def of_children(service: ServiceProcess) -> dict[str, bytes]:
    """What the process list shows of the platform, and the environments of what it has started: database and solvers."""
    places = {}
    root = psutil.Process(service.process.pid)
    places[f"/proc/{root.pid}/cmdline"] = "\0".join(root.cmdline()).encode()
    for child in root.children(recursive=True):
        try:
            places[f"/proc/{child.pid}/cmdline of {child.name()}"] = "\0".join(child.cmdline()).encode()
            if "services.cli.main" not in child.cmdline():
                places[f"/proc/{child.pid}/environ of {child.name()}"] = repr(child.environ()).encode()
        except psutil.NoSuchProcess:
            continue
    return places


def files_in(folder: Path) -> Iterator[Path]:
    """Every file that the platform keeps, the database's own too: it has hashes alone."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path
