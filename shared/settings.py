"""All settings of a process: one frozen object. Each setting's docstring says its unit and who would change it.

``settings_reading.load`` reads them, once, at the start; below it settings are plain values.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from shared.errors import BusbarError

PREFIX = "BUSBAR_"

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class SettingsError(BusbarError):
    """The settings are wrong; the process does not start."""

    code = "invalid_settings"
    exit_status = 2


def _exact_true(value: object) -> bool:
    # The dialect's contract knows one spelling. Another one must not quietly mean that all users share everything.
    if value in (True, "True"):
        return True
    if value in (False, "False", "false"):
        return False
    raise ValueError("write exactly True to turn it on, or False")


def _path_base(value: str) -> str:
    trimmed = value.strip("/")
    return f"/{trimmed}" if trimmed else ""


def _comma_separated(value: object) -> object:
    return _comma_separated_parts(value) if isinstance(value, str) else value


def _comma_separated_parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _plans(value: object) -> object:
    """From ``id=requests/triggers``, separated by commas."""
    if not isinstance(value, str):
        return value
    plans = {}
    for part in _comma_separated_parts(value):
        plan, is_pair, limits = part.partition("=")
        requests, is_both, triggers = limits.partition("/")
        if not (is_pair and is_both):
            raise ValueError(f"{part} is not as 2=500/10")
        plans[plan] = (requests.strip(), triggers.strip())
    return plans


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_comma_separated)]
Names = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]
# 0, or the word, is any number.
LimitOrNone = Annotated[int, Field(ge=0), BeforeValidator(lambda given: 0 if given == "unlimited" else given)]
# By the id of a plan: requests per minute, and triggers per five minutes.
Plans = Annotated[dict[int, tuple[LimitOrNone, LimitOrNone]], BeforeValidator(_plans)]
PathBase = Annotated[str, AfterValidator(_path_base)]
ExactTrue = Annotated[bool, BeforeValidator(_exact_true)]
PortNumber = Annotated[int, Field(ge=0, le=65535)]
Bytes = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]
Limit = Annotated[int, Field(ge=0)]


def default_data_dir(env: Mapping[str, str]) -> Path:
    """The user's data folder, as the desktop standard has it."""
    base = env.get("XDG_DATA_HOME") or str(Path(env.get("HOME") or Path.home()) / ".local" / "share")
    return Path(base) / "busbar"


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseModel):
    """The settings of one process. Built from values only; it is ``settings_reading.load`` that looks at the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)

    # ------------------------------------------------------------------ servers

    database_url: SecretStr | None = None
    """Address of PostgreSQL, postgresql://user:password@host/name; none: the embedded one. For whoever runs real servers."""
    broker_url: SecretStr | None = None
    """Address of RabbitMQ, amqp://user:password@host/vhost; none: the in-process bus. For whoever runs real servers."""
    broker_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")] = "busbar"
    """First part of the names of queues and exchanges. For several installations on one broker's virtual host."""
    postgres_binaries: Path | None = None
    """Folder with initdb and postgres for the embedded database; none: the system's, else the installed package's."""
    data_dir: Path = Field(default_factory=lambda: default_data_dir(os.environ))
    """Folder for all data of the embedded default. For whoever keeps data on another disk."""

    # ------------------------------------------------------------------ where to listen

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. 0.0.0.0 or :: to serve other machines."""
    port: PortNumber = 8000
    """TCP port of the HTTP APIs; 0 takes any free one."""
    ops_port: PortNumber | None = None
    """TCP port for health and metrics; 0 is off; none: off in `busbar up`, 9100 for a single service. For whoever monitors."""
    tls_cert: Path | None = None
    """PEM file with the certificate, and its chain, that the gateway shows; it then speaks HTTPS. With BUSBAR_TLS_KEY, for installations
    without a proxy in front."""
    tls_key: Path | None = None
    """PEM file with the key of BUSBAR_TLS_CERT, without a passphrase."""
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+.*$")] | None = None
    """Address under which clients reach the gateway, in discovery documents and issuers; none: as each request says. For installations
    behind a proxy."""
    path_base: PathBase = ""
    """Path in front of all routes, such as /grid, which a proxy passes on. For installations that share a host name."""
    trusted_proxies: Networks = ()
    """Addresses or networks, separated by commas, whose X-Forwarded-* headers are believed. For installations behind a proxy."""

    # ------------------------------------------------------------------ who may come in

    reconfiguration_open: bool | None = None
    """Whether the reconfiguration API asks for no credentials; none: only on loopback. For whoever runs a closed system."""
    allow_open_network: bool = False
    """Allow an API without credentials on an address that other machines reach. For closed networks."""
    pgo_multi_user: ExactTrue = False
    """True (in exactly this spelling): each client of the reconfiguration API has networks and sessions of its own."""
    pgo_default_quotas: Literal["NoLimits", "ForDemo", "Restrictive"] = "NoLimits"
    """How much each user of the reconfiguration API may have: NoLimits, ForDemo or Restrictive. For open or shared servers."""
    pgo_frontend_dir: Path | None = None
    """Folder with the files of PGO's browser application (index.html, js, css, fonts), to be served at its usual addresses; none: a page
    that says so. For whoever uses that application."""
    pgo_quotas_file: Path | None = None
    """JSON file with other quotas for single users; read again when it changes. For open or shared servers."""
    pgo_cim_creator: Annotated[str, Field(min_length=1)] = "SINTEF PGO"
    """Who CIM solutions say has made them, for networks loaded from then on. For whoever passes solutions on."""
    pgo_sweep_interval_s: Annotated[float, Field(ge=0.01, le=3600)] = 60.0
    """Seconds between two looks for sessions that have been idle for too long. For tests."""
    hub_max_connections: Annotated[int, Field(ge=1)] = 2000
    """Connections of the real-time hub in one gateway process; more are answered 503. For large installations."""
    admin_email: str | None = None
    """E-mail address of the first administrator, who is made at the start while there is no user. For whoever sets up an installation."""
    admin_password: SecretStr | None = None
    """Password of the first administrator, at least 12 characters. For whoever sets up an installation."""
    secret_key: SecretStr | None = None
    """Secret of at least 32 characters from which tokens, forms and signing keys are protected; a gateway on real servers needs it; the
    embedded default makes one in the data folder. For whoever runs real servers."""
    rate_limits: Literal["on", "off"] = "on"
    """Whether clients that ask too often are told to wait. Off only for tests and closed systems."""
    rate_hourly: Limit = 500
    """Requests that an account may make to the compute jobs API within an hour; 0: any number. For whoever shares a machine."""
    rate_daily: Limit = 0
    """The same within a day. For whoever shares a machine."""
    flexibility_requests_per_minute: Limit = 500
    """Requests that a user may make to the flexibility API within a minute; 0: any number. For whoever shares a machine."""
    flexibility_triggers_per_5_minutes: LimitOrNone = 10
    """Schedules and forecasts that may be triggered within five minutes, those that were refused apart; 0 or unlimited: any number. For
    whoever shares a machine."""
    flexibility_triggers_counted_by: Literal["account", "asset", "user"] = "account"
    """Whether triggers are counted for each account, each asset (or sensor) of an account, or each user. For whoever shares a machine."""
    flexibility_plans: Plans = {}
    """Other limits for accounts on a plan: id=requests per minute/triggers per five minutes, separated by commas, as in
    2=2000/100,3=unlimited/unlimited. For whoever shares a machine."""
    user_token_lifetime_s: Annotated[float, Field(ge=1, le=30 * 86400)] = 6 * 3600.0
    """Seconds for which a token is good that a user has got for a password. For whoever wants it stricter."""
    web_session_lifetime_s: Annotated[float, Field(ge=1, le=30 * 86400)] = 12 * 3600.0
    """Seconds after which a browser has to sign in again. For whoever wants it stricter."""

    # ------------------------------------------------------------------ line telemetry: how its clients sign in

    oauth_tenants: Names = ("hpadb2cprod=production", "hpadb2cdev=developer")
    """Tenants that clients may name when they ask for a token, and the environment of each, separated by commas. For nobody, as a rule."""
    oauth_accepted_scopes: Names = ()
    """Scopes that clients may ask for, separated by commas; each may have production= or developer= before it, and * is any; none:
    those that the official clients ask for. For whoever has clients of their own."""
    oauth_issuer: Annotated[str, Field(pattern=r"^https?://[^\s/]+.*$")] | None = None
    """Address at the beginning of the issuer of access tokens; none: that of BUSBAR_PUBLIC_URL. The same for all gateways; to change it
    ends all access tokens. For installations that change their public address."""
    signing_key_days: Annotated[float, Field(ge=1, le=3650)] = 30.0
    """Days after which a new key signs access tokens. For whoever has rules on that."""
    served_regions: Names = ("eu", "us")
    """Data regions that clients may be made for, separated by commas. For installations of one region."""
    bootstrap_client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,100}$")] | None = None
    """Id of a first OAuth2 client with the role platform_admin, made at the start when there is none. For automatic installations."""
    bootstrap_client_secret: SecretStr | None = None
    """Its secret, of at least 32 characters. For automatic installations."""

    # ------------------------------------------------------------------ logs

    log_format: Literal["json", "console"] = "console"
    """json, a line per event for machines, or console for people. For whoever collects logs."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged. For whoever looks for a fault."""

    # ------------------------------------------------------------------ work

    optimizer_processes: Count = Field(default_factory=_cpu_count)
    """Child processes that load, check and evaluate; default: one for each processor. For whoever sizes machines."""
    optimizer_max_runs: Count = 128
    """Optimisations that one optimizer works on at a time. For whoever sizes machines."""
    optimizer_threads_per_run: Annotated[int, Field(ge=1, le=64)] = Field(
        default_factory=lambda: min(max(_cpu_count() - 1, 1), 2)
    )
    """Threads that one optimisation uses at most: one that proves, the others search with what is left of the processors; default: two, on one or
    two processors one. For whoever sizes machines."""
    worker_memory_bytes: Annotated[int, Field(ge=256 * MIB)] = 4 * GIB
    """Memory in bytes that one child process may take for a question. For whoever sizes machines."""
    flexibility_job_limit_s: Annotated[float, Field(gt=0, le=1700)] = 180.0
    """Seconds that a schedule or a forecast may take before it has failed. For very large sites."""
    flexibility_data_wait_limit_s: Annotated[float, Field(ge=0, le=600)] = 60.0
    """Seconds that a schedule or a forecast waits for data that were posted before it and are still to be stored. For nobody, as a rule."""
    schedule_solver_limit_s: Annotated[float, Field(gt=0, le=1700)] = 60.0
    """Seconds after which the best schedule found so far is taken. For very large sites."""
    schedule_mip_gap: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Relative distance from the least cost that is good enough for a schedule; 0: the best one. For very large sites."""
    enumeration_limit: Annotated[int, Field(ge=0)] = 2_000_000
    """Radial configurations up to which a network is searched completely, which proves the optimum. For experiments."""
    lease_ttl_s: Annotated[float, Field(ge=2, le=300)] = 6.0
    """Seconds after which a silent optimizer's runs are taken over. For slow or distant databases."""
    heartbeat_s: Annotated[float, Field(gt=0, le=100)] = 2.0
    """Seconds between an optimizer's signs of life, at most a third of the lease. For slow or distant databases."""
    ask_deadline_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds that a client waits for a worker's answer before it is told to try again. For very large networks."""

    # ------------------------------------------------------------------ flexibility: how clients hear of what takes time

    flexibility_pending_as_400: bool = False
    """Whether a schedule that is not ready is answered 400, as clients older than 2024 expect it, and not 202. For such clients."""
    flexibility_data_wait_s: Annotated[float, Field(ge=0, le=20)] = 2.0
    """Seconds that a client who posts up to a thousand values waits for them to be stored; what takes longer is accepted (202). For nobody,
    as a rule."""
    flexibility_job_wait_s: Annotated[float, Field(ge=0, le=20)] = 2.0
    """Seconds that the first question about a job waits for its end, so that short jobs cost a client no pause. For nobody, as a rule."""

    # ------------------------------------------------------------------ limits on requests

    max_json_body_bytes: Bytes = MIB
    """Largest JSON body of a request in bytes, documents apart. For nobody, as a rule."""
    flexibility_max_data_bytes: Bytes = 31 * MIB // 10
    """Largest JSON body with values of a sensor in bytes. For whoever posts more than some years of quarter hours at once."""
    max_document_bytes: Bytes = GIB
    """Largest uploaded document in bytes. For very large networks, or small disks."""
