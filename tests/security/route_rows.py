"""The table of promise 14: for each route, what each kind of credential hears. Written down, not derived from the routes.

``right`` is somebody who leads the account of what the path names and administers the site; ``other`` leads another account;
``unscoped`` is ``right`` by a key without the scope of the API; ``invalid`` is every credential that is made up or worn out. Where
``right`` hears a 4xx, the request itself is wrong: it was let in, and told so. None: there is no such credential for this API.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """Expected statuses, and what is sent as JSON or as a form: ``{…}`` in their texts are ids as in paths.

    A form comes from a page that was shown in the session with which it is sent.
    """

    none: int
    invalid: int
    other: int
    unscoped: int | None
    right: int
    json: object = ...
    form: dict[str, str] | None = None


@dataclass(frozen=True)
class Api:
    """The rows of one API, and a key's scopes that do not reach it. ``by_session``: its credential is the cookie of a browser."""

    rows: dict[str, Row]
    other_scopes: tuple[str, ...] = ("storage",)
    by_session: bool = False


@dataclass(frozen=True)
class _All:
    status: int
    json: object = field(default=...)

    @property
    def row(self) -> Row:
        return Row(self.status, self.status, self.status, self.status, self.status, self.json)


PUBLIC = _All(200).row
GONE = _All(410).row
LISTED = Row(401, 401, 200, 403, 200)

# PGO's clients expect a 400 where a network is read that is not there.
RECONFIGURATION = Api(
    {
        "GET /api/server": LISTED,
        "GET /api/identity/quotas": LISTED,
        "POST /api/networks/{network_id}": Row(401, 401, 415, 403, 415),
        "GET /api/networks/{network_id}": Row(401, 401, 400, 403, 200),
        "GET /api/networks/{network_id}/analysis": Row(401, 401, 400, 403, 200),
        "GET /api/networks/{network_id}/connectivityStatus": Row(401, 401, 400, 403, 200),
        "POST /api/sessions/{session_id}": Row(401, 401, 415, 403, 415),
        "GET /api/sessions/{session_id}": Row(401, 401, 404, 403, 200),
        "PUT /api/sessions/{session_id}/runOptimization": Row(401, 401, 404, 403, 200, json=False),
        "GET /api/sessions/{session_id}/demands": Row(401, 401, 404, 403, 200),
        "GET /api/sessions/{session_id}/objectiveWeights": Row(401, 401, 404, 403, 200),
        "GET /api/sessions/{session_id}/bestSolution": Row(401, 401, 404, 403, 200),
        "GET /api/sessions/{session_id}/bestSolutionInfo": Row(401, 401, 404, 403, 200),
        "PUT /api/sessions/{session_id}/objectiveWeights": Row(401, 401, 404, 403, 200, json=[]),
        "GET /api/sessions/{session_id}/solutions/{solution_id}": Row(401, 401, 404, 403, 200),
        "GET /api/sessions/{session_id}/solutions/{solution_id}/info": Row(401, 401, 404, 403, 200),
        "POST /api/sessions/{session_id}/solutions/{solution_id}": Row(401, 401, 404, 403, 400, json={}),
        "PUT /api/sessions/{session_id}/solutions/{solution_id}": Row(401, 401, 404, 403, 200, json={}),
        "POST /api/sessions/{session_id}/solutions/{solution_id}/repair/{new_id}": Row(401, 401, 404, 403, 200),
        "DELETE /api/sessions/{session_id}/solutions/{solution_id}": Row(401, 401, 404, 403, 200),
        "DELETE /api/sessions/{session_id}": Row(401, 401, 404, 403, 200),
        "DELETE /api/networks/{network_id}": Row(401, 401, 404, 403, 200),
    }
)

# Whoever is let in has still to name a connection.
HUB = Api(
    {
        "POST /solutionStatusHub/negotiate": LISTED,
        "GET /solutionStatusHub": Row(401, 401, 400, 403, 400),
        "POST /solutionStatusHub": Row(401, 401, 400, 403, 400),
        "DELETE /solutionStatusHub": Row(401, 401, 400, 403, 400),
    }
)

# The CIM API is the same, but for what has no counterpart there.
RECONFIGURATION_CIM = Api(
    {
        route.replace("/api/", "/api/cim/"): row
        for route, row in RECONFIGURATION.rows.items()
        if route not in {"GET /api/networks/{network_id}", "GET /api/sessions/{session_id}/demands"}
    }
)

COMPUTE_JOBS = Api(
    {
        "GET /api/v2/user/view-profile": Row(403, 403, 200, 403, 200),
        "DELETE /api/v2/user/delete-cache": Row(403, 403, 200, 403, 200),
        "GET /api/v2/openapi.json": PUBLIC,
        "GET /api/v2/docs": PUBLIC,
        "GET /{lang}/catuser/view-api": _All(302).row,
    },
    other_scopes=("flexibility",),
)

_OWN_ACCOUNT = {"email": "new-{fresh}@north.example", "account_id": "{account_id}"}
_FOREIGN = Row(401, 401, 404, 403, 200)
_GONE = Row(401, 401, 404, 403, 204)
ADMINISTRATION = Api(
    {
        "GET /admin/v1/accounts": LISTED,
        "POST /admin/v1/accounts": Row(401, 401, 403, 403, 201, json={"name": "Account {fresh}"}),
        "GET /admin/v1/accounts/{account_id}": _FOREIGN,
        "POST /admin/v1/accounts/{account_id}/disable": Row(401, 401, 403, 403, 200),
        "POST /admin/v1/accounts/{account_id}/enable": Row(401, 401, 403, 403, 200),
        "DELETE /admin/v1/accounts/{account_id}": Row(401, 401, 403, 403, 204),
        "GET /admin/v1/users": LISTED,
        "POST /admin/v1/users": Row(401, 401, 404, 403, 201, json=_OWN_ACCOUNT),
        "GET /admin/v1/users/{user_id}": _FOREIGN,
        "PUT /admin/v1/users/{user_id}/password": Row(401, 401, 404, 403, 204, json={"password": "nine open switches"}),
        "POST /admin/v1/users/{user_id}/disable": _FOREIGN,
        "POST /admin/v1/users/{user_id}/enable": _FOREIGN,
        "DELETE /admin/v1/users/{user_id}": _GONE,
        "GET /admin/v1/keys": LISTED,
        "POST /admin/v1/keys": Row(401, 401, 404, 403, 201, json={"user_id": "{user_id}", "name": "k"}),
        "GET /admin/v1/keys/{key_id}": _FOREIGN,
        "POST /admin/v1/keys/{key_id}/disable": _FOREIGN,
        "POST /admin/v1/keys/{key_id}/enable": _FOREIGN,
        "DELETE /admin/v1/keys/{key_id}": _GONE,
        "GET /admin/v1/clients": LISTED,
        "POST /admin/v1/clients": Row(
            401, 401, 404, 403, 201, json={"name": "c", "roles": [], "account_id": "{account_id}"}
        ),
        "GET /admin/v1/clients/{client_id}": _FOREIGN,
        "POST /admin/v1/clients/{client_id}/disable": _FOREIGN,
        "POST /admin/v1/clients/{client_id}/enable": _FOREIGN,
        "DELETE /admin/v1/clients/{client_id}": _GONE,
        "GET /admin/v1/clients/{client_id}/secrets": _FOREIGN,
        "POST /admin/v1/clients/{client_id}/secrets": Row(401, 401, 404, 403, 201, json={}),
        "DELETE /admin/v1/clients/{client_id}/secrets/{secret_id}": _GONE,
        "GET /admin/v1/audit": LISTED,
        "GET /admin/v1/openapi.json": PUBLIC,
    }
)

OPERATIONS = Api({"GET /health/live": PUBLIC, "GET /health/ready": PUBLIC, "GET /metrics": PUBLIC})

WEB = Api(
    {
        "GET /": Row(303, 303, 200, None, 200),
        "GET /docs": PUBLIC,
        "GET /swagger": _All(302).row,
        "GET /swagger/index.html": PUBLIC,
        "GET /swagger/v1_json/swagger.json": PUBLIC,
        "GET /swagger/v1_cim/swagger.json": PUBLIC,
        "GET /swagger/{file}": _All(404).row,
        "GET /assets/{file}": _All(404).row,
    },
    by_session=True,
)

PGO_PLACES = Api(
    {
        "GET /examples/{file}": _All(404).row,
        "GET /index_webapp.html": PUBLIC,
        "GET /pgo-web-frontend/{folder}/{file}": _All(404).row,
        "GET /.auth/sign-in": _All(302).row,
        "GET /.auth/sign-out": _All(302).row,
    },
    by_session=True,
)

# A page sends whoever has to sign in first to the form for it (303).
ACCOUNT_PAGES = Api(
    {
        "GET /login": Row(200, 200, 303, None, 303),
        "POST /login": Row(403, 403, 403, None, 403, form={}),
        "POST /logout": Row(303, 303, 303, None, 303, form={}),
        "GET /account": Row(303, 303, 200, None, 200),
        "POST /account/password": Row(303, 303, 400, None, 400, form={}),
        "POST /account/keys": Row(303, 303, 200, None, 200, form={"name": "k", "scope": "read"}),
        "POST /account/keys/{key_id}/delete": Row(303, 303, 404, None, 303, form={}),
    },
    by_session=True,
)

_TENANT = "/{tenant}/{policy}"
LINE_TELEMETRY = Api(
    {
        "GET /access/v1/clients": LISTED,
        "POST /access/v1/clients": Row(401, 401, 400, 403, 400, json={}),
        "GET /access/v1/clients/{client_id}": _FOREIGN,
        "PATCH /access/v1/clients/{client_id}": Row(401, 401, 404, 403, 200, json={}),
        "DELETE /access/v1/clients/{client_id}": _GONE,
        "POST /access/v1/clients/{client_id}/secrets": Row(401, 401, 404, 403, 201, json={}),
        "DELETE /access/v1/clients/{client_id}/secrets/{secret_id}": _GONE,
        "GET /openapi/access/v1/openapi.json": PUBLIC,
        "GET /openapi/access/v1/openapi.yaml": PUBLIC,
        # Signing in: whoever has no secret of a client hears that, whatever else they have.
        "POST /oauth2/v2.0/token": _All(400, json={}).row,
        f"POST {_TENANT}/oauth2/v2.0/token": _All(400, json={}).row,
        f"POST /tfp{_TENANT}/oauth2/v2.0/token": _All(400, json={}).row,
        f"GET {_TENANT}/oauth2/v2.0/authorize": _All(400).row,
        f"GET /tfp{_TENANT}/oauth2/v2.0/authorize": _All(400).row,
        f"GET {_TENANT}/v2.0/.well-known/openid-configuration": PUBLIC,
        f"GET /tfp{_TENANT}/v2.0/.well-known/openid-configuration": PUBLIC,
        f"GET {_TENANT}/discovery/v2.0/keys": PUBLIC,
        f"GET /tfp{_TENANT}/discovery/v2.0/keys": PUBLIC,
    }
)

# FlexMeasures says of accounts, assets and sensors of others that they are forbidden.
_HIDDEN = Row(401, 401, 403, 403, 200)
_NOTE = {"content": "closed", "start": "2026-05-01T00:00:00Z", "end": "2026-05-02T00:00:00Z"}
_WANTED = {"start": "2026-05-01T00:00:00Z", "duration": "PT15M", "unit": "kW"}
# There is nothing to schedule.
_TRIGGER = {"start": "2026-05-01T00:00:00Z", "flex-model": []}
FLEXIBILITY = Api(
    {
        "GET /api": PUBLIC,
        "POST /api/requestAuthToken": _All(422, json={}).row,
        "GET /api/ops/ping": PUBLIC,
        "GET /api/v3_0": PUBLIC,
        "GET /api/v3_0/health/ready": PUBLIC,
        "GET /api/v3_0/docs": PUBLIC,
        "GET /api/v3_0/openapi.json": PUBLIC,
        "GET /api/v3_0/assets/types": PUBLIC,
        "GET /api/v3_0/assets/public": LISTED,
        "GET /api/v3_0/assets": LISTED,
        "POST /api/v3_0/assets": Row(401, 401, 422, 403, 422, json={}),
        "GET /api/v3_0/assets/{asset_id}": _HIDDEN,
        "PATCH /api/v3_0/assets/{asset_id}": Row(401, 401, 403, 403, 200, json={"description": "changed"}),
        "DELETE /api/v3_0/assets/{asset_id}": Row(401, 401, 403, 403, 204),
        "POST /api/v3_0/assets/{asset_id}/copy": Row(401, 401, 403, 403, 201),
        "GET /api/v3_0/assets/{asset_id}/sensors": _HIDDEN,
        "GET /api/v3_0/assets/{asset_id}/auditlog": _HIDDEN,
        "GET /api/v3_0/assets/{asset_id}/kpis": Row(401, 401, 422, 403, 422),
        "GET /api/v3_0/assets/{asset_id}/jobs": _HIDDEN,
        "GET /api/v3_0/assets/{asset_id}/chart": Row(401, 401, 422, 403, 422),
        "GET /api/v3_0/assets/{asset_id}/chart_data": Row(401, 401, 422, 403, 422),
        "GET /api/v3_0/assets/{asset_id}/chart_annotations": Row(401, 401, 422, 403, 422),
        "POST /api/v3_0/assets/{asset_id}/annotations": Row(401, 401, 403, 403, 201, json=_NOTE),
        "GET /api/v3_0/sensors": LISTED,
        "POST /api/v3_0/sensors": Row(401, 401, 422, 403, 422, json={}),
        "GET /api/v3_0/sensors/{sensor_id}": _HIDDEN,
        "PATCH /api/v3_0/sensors/{sensor_id}": Row(401, 401, 403, 403, 200, json={"timezone": "Europe/Paris"}),
        "DELETE /api/v3_0/sensors/{sensor_id}": Row(401, 401, 403, 403, 204),
        "GET /api/v3_0/sensors/data": Row(401, 401, 422, 403, 422),
        "POST /api/v3_0/sensors/data": Row(401, 401, 422, 403, 422, json={}),
        "GET /api/v3_0/sensors/{sensor_id}/data": Row(401, 401, 403, 403, 200, json=_WANTED),
        # Nobody is there who would store it.
        "POST /api/v3_0/sensors/{sensor_id}/data": Row(401, 401, 403, 403, 202, json=_WANTED | {"values": [1.5]}),
        "DELETE /api/v3_0/sensors/{sensor_id}/data": Row(401, 401, 403, 403, 204),
        "POST /api/v3_0/sensors/{sensor_id}/data/upload": Row(401, 401, 422, 403, 422),
        "GET /api/v3_0/sensors/{sensor_id}/stats": _HIDDEN,
        "GET /api/v3_0/sensors/{sensor_id}/status": _HIDDEN,
        "GET /api/v3_0/sources": LISTED,
        "POST /api/v3_0/assets/{asset_id}/schedules/trigger": Row(401, 401, 403, 403, 422, json=_TRIGGER),
        "POST /api/v3_0/sensors/{sensor_id}/schedules/trigger": Row(
            401, 401, 403, 403, 202, json={"start": "2026-05-01T00:00:00Z", "flex-model": {}}
        ),
        "GET /api/v3_0/sensors/{sensor_id}/schedules/{job_id}": Row(401, 401, 403, 403, 400),
        "POST /api/v3_0/sensors/{sensor_id}/forecasts/trigger": Row(401, 401, 403, 403, 202, json={}),
        "GET /api/v3_0/sensors/{sensor_id}/forecasts/{job_id}": Row(401, 401, 403, 403, 422),
        "GET /api/v3_0/jobs/{job_id}": Row(401, 401, 403, 403, 202),
        "POST /api/v3_0/sensors/{sensor_id}/annotations": Row(401, 401, 403, 403, 201, json=_NOTE),
        "POST /api/v3_0/accounts/{account_id}/annotations": Row(401, 401, 403, 403, 201, json=_NOTE),
        "GET /api/v3_0/accounts": LISTED,
        "POST /api/v3_0/accounts": Row(401, 401, 422, 403, 422, json={}),
        "GET /api/v3_0/accounts/{account_id}": _HIDDEN,
        "PATCH /api/v3_0/accounts/{account_id}": Row(401, 401, 403, 403, 200, json={"primary_color": "#123456"}),
        "GET /api/v3_0/accounts/{account_id}/auditlog": _HIDDEN,
        "GET /api/v3_0/users": LISTED,
        "POST /api/v3_0/users": Row(401, 401, 422, 403, 422, json={}),
        "GET /api/v3_0/users/{user_id}": _FOREIGN,
        "PATCH /api/v3_0/users/{user_id}": Row(401, 401, 404, 403, 200, json={"username": "u-{fresh}"}),
        "PATCH /api/v3_0/users/{user_id}/password-reset": _FOREIGN,
        "GET /api/v3_0/users/{user_id}/auditlog": _FOREIGN,
    }
    | {
        f"{method} /api/{version}/{path}": GONE
        for versions, methods, path in (
            ("v1 v1_1 v1_2 v1_3 v2_0", "GET POST", "getMeterData"),
            ("v1 v1_1 v1_2 v1_3 v2_0", "POST", "postMeterData"),
            ("v1 v1_1 v1_2 v1_3 v2_0", "GET", "getService"),
            ("v1_1 v1_2 v1_3 v2_0", "GET", "getConnection"),
            ("v1_1 v1_2 v1_3 v2_0", "POST", "postPriceData"),
            ("v1_1 v1_2 v1_3 v2_0", "POST", "postWeatherData"),
            ("v1_1 v1_2 v1_3 v2_0", "GET", "getPrognosis"),
            ("v1_1 v1_2 v1_3 v2_0", "POST", "postPrognosis"),
            ("v1_2 v1_3 v2_0", "GET", "getDeviceMessage"),
            ("v1_2 v1_3 v2_0", "POST", "postUdiEvent"),
            ("v2_0", "GET POST", "assets"),
            ("v2_0", "GET PATCH DELETE", "asset/{asset_id}"),
            ("v2_0", "GET", "users"),
            ("v2_0", "GET PATCH", "user/{user_id}"),
            ("v2_0", "PATCH", "user/{user_id}/password-reset"),
        )
        for version in versions.split()
        for method in methods.split()
    }
)

TABLE: dict[str, Api] = {
    "reconfiguration": RECONFIGURATION,
    "hub": HUB,
    "reconfiguration_cim": RECONFIGURATION_CIM,
    "compute_jobs": COMPUTE_JOBS,
    "administration": ADMINISTRATION,
    "operations": OPERATIONS,
    "web": WEB,
    "pgo_places": PGO_PLACES,
    "account pages": ACCOUNT_PAGES,
    "flexibility": FLEXIBILITY,
    "line_telemetry": LINE_TELEMETRY,
}

# In open mode whoever comes without a credential uses the reconfiguration API in the account that is kept for it: there is
# nothing of the others in it. A credential that is wrong is refused there too. Everything else is as above.
OPEN_MODE = {
    "GET /api/server": Row(200, 401, 200, 403, 200),
    "GET /api/networks/{network_id}": Row(400, 401, 400, 403, 200),
    "POST /api/networks/{network_id}": Row(415, 401, 415, 403, 415),
    "GET /api/sessions/{session_id}": Row(404, 401, 404, 403, 200),
    "PUT /api/sessions/{session_id}/runOptimization": Row(404, 401, 404, 403, 200, json=False),
    "DELETE /api/sessions/{session_id}": Row(404, 401, 404, 403, 200),
    "DELETE /api/networks/{network_id}": Row(404, 401, 404, 403, 200),
    "POST /solutionStatusHub/negotiate": Row(200, 401, 200, 403, 200),
    "GET /solutionStatusHub": Row(400, 401, 400, 403, 400),
    "GET /admin/v1/accounts": LISTED,
    "GET /api/v2/user/view-profile": Row(403, 403, 200, 403, 200),
}
