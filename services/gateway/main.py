"""The gateway's composition root: dialects, server and housekeeping on the adapters of its process."""

from __future__ import annotations

import asyncio

import structlog

from services.gateway.auth.access_tokens import TokensOf
from services.gateway.auth.auth import build_auth
from services.gateway.auth.gate import OpenGate
from services.gateway.auth.open_mode import OpenModeGate, is_loopback, is_open_to_all
from services.gateway.dialects.administration.dialect import administration_dialect
from services.gateway.dialects.administration.service import Administration
from services.gateway.dialects.compute_jobs.dialect import compute_jobs_dialect
from services.gateway.dialects.compute_jobs.service import ComputeJobs
from services.gateway.dialects.flexibility.dialect import flexibility_dialects
from services.gateway.dialects.flexibility.job_watch import JobWatch
from services.gateway.dialects.line_telemetry.access_tokens import build_access_tokens
from services.gateway.dialects.line_telemetry.dialect import line_telemetry_dialects
from services.gateway.dialects.reconfiguration.dialect import reconfiguration_dialect
from services.gateway.dialects.reconfiguration.expiry import SessionExpiry
from services.gateway.dialects.reconfiguration.hub.connections import Connections
from services.gateway.dialects.reconfiguration.hub.routes import hub_dialect
from services.gateway.dialects.reconfiguration.hub.solution_watch import SolutionWatch
from services.gateway.dialects.reconfiguration.quotas import NAMED_QUOTAS, Quotas
from services.gateway.dialects.reconfiguration.run_endings import RunEndings
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.documents import openapi_json
from services.gateway.housekeeping import Housekeeping
from services.gateway.http.dispatch import Dispatcher
from services.gateway.http.routes import Dialect
from services.gateway.http.server import Bounds, HttpServer
from services.gateway.http.spool import SpoolBudget
from services.gateway.http.tls import server_context
from services.gateway.operations import operations_dialect
from services.gateway.web.account_pages import account_dialect
from services.gateway.web.browser_session import AccountPages
from services.gateway.web.pages import docs_page, read_pages, web_dialect
from services.gateway.web.pgo_places import pgo_places_dialect, read_places
from services.gateway.web.rendering import Renderer
from shared.identity.bootstrap import Bootstrap
from shared.identity.bootstrap_client import BootstrapClient
from shared.identity.passwords import PasswordHasher
from shared.identity.principals import PRODUCTION
from shared.identity.secret_key import keys_of
from shared.observability.health_pages import HealthPages
from shared.process import Process

log = structlog.get_logger()

# A stop waits for the lease of a dead worker to end, and for the database to say so.
STOP_MARGIN_S = 10.0
# Beyond the waits of its own that a handler knows.
HANDLING_MARGIN_S = 10.0
# Documents under way together, in the largest documents that are taken.
SPOOLED_DOCUMENTS = 4
# Of the time for a stop, what clients of the hub have to take their goodbye.
HUB_STOPS_WITHIN = 0.15


class Gateway:
    """Serves HTTP from ``start`` until ``stop``."""

    def __init__(self, process: Process) -> None:
        settings = process.settings
        is_open = is_open_to_all(
            settings.host, is_open=settings.reconfiguration_open, allow_open_network=settings.allow_open_network
        )
        self._process = process
        keys = keys_of(settings)
        self._access_tokens = build_access_tokens(process.database, process.clock, keys, settings)
        self.auth = build_auth(
            process.database,
            process.clock,
            keys,
            TokensOf(PRODUCTION, self._access_tokens),
            settings,
            OpenModeGate(multi_user=settings.pgo_multi_user) if is_open else None,
            PasswordHasher(),
        )
        self._bootstrap = Bootstrap(process.database, settings)
        self._bootstrap_client = BootstrapClient(process.database, self.auth.passwords, settings)
        quotas = Quotas(NAMED_QUOTAS[settings.pgo_default_quotas], settings.pgo_quotas_file)
        self.session_expiry = SessionExpiry(process.database, quotas, every_s=settings.pgo_sweep_interval_s)
        self._solution_watch = SolutionWatch(process.database, process.bus)
        self._run_endings = RunEndings()
        self._job_watch = JobWatch(process.database, process.bus)
        self._budget = SpoolBudget(SPOOLED_DOCUMENTS * settings.max_document_bytes)
        self._reconfiguration = Reconfiguration(
            database=process.database,
            asks=process.asks,
            budget=self._budget,
            quotas=quotas,
            ask_deadline_s=settings.ask_deadline_s,
            stop_deadline_s=settings.lease_ttl_s + STOP_MARGIN_S,
            watchers=self._solution_watch,
            endings=self._run_endings,
        )
        self.hub = Connections(self._solution_watch, most=settings.hub_max_connections)
        self.housekeeping = Housekeeping(process.database)
        self._health_pages = HealthPages(process.health)
        self._tls = (
            server_context(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None
        )
        self._server: HttpServer | None = None
        self.dialects: list[Dialect] = []
        self.port = settings.port

    async def start(self) -> None:
        """Listen; afterwards ``port`` is the port in use, also where 0 was asked for."""
        settings, auth = self._process.settings, self.auth
        self.dialects = [*self._apis(), *await self._pages()]
        self._server = self._http_server()
        await self._bootstrap.start()
        await self._bootstrap_client.start()
        await self._access_tokens.start()
        auth.start()
        await self._solution_watch.start()
        await self._run_endings.start(self._process.bus)
        await self._job_watch.start()
        self.hub.start()
        self.port = await self._server.start(settings.host, settings.port, tls=self._tls)
        self.housekeeping.start()
        self.session_expiry.start()
        if auth.open_mode is not None and not is_loopback(settings.host):
            log.warning("open_to_the_network", host=settings.host)
        log.info("gateway_listening", host=settings.host, port=self.port)

    async def stop(self, *, within_s: float) -> None:
        """Finish what is in flight and listen no more."""
        if self._server is not None:
            # Clients of the hub are sent away first: a connection lasts until somebody ends it.
            await self.hub.stop(within_s=HUB_STOPS_WITHIN * within_s)
            await self._server.stop(within_s=(1 - HUB_STOPS_WITHIN) * within_s)
        await asyncio.gather(
            self._solution_watch.stop(),
            self._run_endings.stop(),
            self._job_watch.stop(),
            self.housekeeping.stop(),
            self.session_expiry.stop(),
            self.auth.stop(),
            self._access_tokens.stop(),
            self._bootstrap.stop(),
            self._bootstrap_client.stop(),
        )
        self._health_pages.close()

    def _apis(self) -> list[Dialect]:
        return [
            reconfiguration_dialect(self._reconfiguration, self.auth.reconfiguration),
            hub_dialect(self.hub, self.auth.hub),
            *self._flexibility(),
            self._compute_jobs(),
            self._administration(),
            *self._line_telemetry(),
        ]

    async def _pages(self) -> list[Dialect]:
        """For people and monitors; whose files are read here."""
        process, auth, settings = self._process, self.auth, self._process.settings
        places = await asyncio.to_thread(read_places, settings.pgo_frontend_dir)
        account_pages = AccountPages(process.database, auth, process.clock, Renderer())
        return [
            pgo_places_dialect(places, auth.open_mode or OpenGate()),
            # Only this machine may ask for metrics here; other machines have the operations port.
            operations_dialect(self._health_pages, has_metrics=is_loopback(settings.host)),
            web_dialect(await asyncio.to_thread(read_pages), auth.web, is_open=auth.open_mode is not None),
            account_dialect(account_pages),
        ]

    def _http_server(self) -> HttpServer:
        settings, open_mode = self._process.settings, self.auth.open_mode
        longest_wait_s = max(settings.ask_deadline_s, self._reconfiguration.stop_deadline_s)
        dispatcher = Dispatcher(
            self.dialects,
            path_base=settings.path_base,
            handling_deadline_s=longest_wait_s + HANDLING_MARGIN_S,
            courtesy=(lambda _: {}) if open_mode is None else open_mode.courtesy,
        )
        bounds = Bounds(settings.max_json_body_bytes, settings.max_document_bytes, settings.flexibility_max_data_bytes)
        return HttpServer(dispatcher, self._budget, bounds, trusted_proxies=settings.trusted_proxies)

    def _compute_jobs(self) -> Dialect:
        app = ComputeJobs(
            self._process.database,
            self.auth.compute_jobs.limits,
            self._process.settings.max_json_body_bytes,
            openapi_json("compute_jobs").encode(),
            docs_page("Files and compute jobs"),
        )
        return compute_jobs_dialect(app, self.auth.compute_jobs)

    def _flexibility(self) -> tuple[Dialect, Dialect]:
        document = openapi_json("flexibility").encode()
        return flexibility_dialects(self._process, self.auth, self._job_watch, document, docs_page("Flexibility"))

    def _administration(self) -> Dialect:
        app = Administration(
            self._process.database,
            self.auth.passwords,
            self.auth.verifier.forget,
            openapi_json("administration").encode(),
        )
        return administration_dialect(app, self.auth.administration)

    def _line_telemetry(self) -> tuple[Dialect, Dialect]:
        return line_telemetry_dialects(
            self._process.database,
            self.auth,
            self._access_tokens,
            self._process.clock,
            self._process.settings,
            openapi_json("line_telemetry_access").encode(),
        )
