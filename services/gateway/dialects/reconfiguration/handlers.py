"""Handlers: what of each request goes to which use case, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from services.gateway.dialects.reconfiguration import networks, runs, sessions, solutions, weights
from services.gateway.dialects.reconfiguration.objectives import WeightOf
from services.gateway.dialects.reconfiguration.schemas import AnalysisQuery, CreatedId, NewWeight, ServerStatus
from services.gateway.dialects.reconfiguration.scope import scope_of
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.dialects.reconfiguration.sessions import NewSession
from services.gateway.dialects.reconfiguration.solutions import PoolChange
from services.gateway.dialects.reconfiguration.translate import (
    connectivity_status_of,
    objective_weights_of,
    quotas_of,
    session_status_of,
    solution_info_of,
)
from services.gateway.http.call import Call, Reply, document_reply, empty_reply, json_reply, text_reply
from services.gateway.http.forms import Form
from services.gateway.http.spool import Spool
from shared.db.models.reconfiguration import BEST


async def get_server_status(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """What the caller has."""
    network_ids, rows = await sessions.server_status(app, scope_of(call))
    return json_reply(ServerStatus(networks=network_ids, sessions=[session_status_of(row) for row in rows]))


async def get_quotas(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """What the caller may have."""
    return json_reply(quotas_of(await app.quotas.of(scope_of(call).owner)))


async def create_network(app: Reconfiguration, call: Call[None, Form]) -> Reply:
    """Load a network."""
    network_id = call.ids["network_id"]
    async with call.body as form:
        document = form.files["networkDescription"]
        await networks.load_network(app, scope_of(call), call.actor, network_id, document)
    return created(network_id, location=call.head.path)


async def get_network(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Download a network."""
    return document_reply(await networks.network_document(app, scope_of(call), call.ids["network_id"]))


async def get_network_analysis(app: Reconfiguration, call: Call[AnalysisQuery, None]) -> Reply:
    """Report on a network."""
    verbose = call.query.verbose
    report = await networks.analyse_network(app, scope_of(call), call.ids["network_id"], verbose=verbose)
    return text_reply(report)


async def get_network_connectivity_status(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Say whether a network can be operated."""
    status = await networks.connectivity_status(app, scope_of(call), call.ids["network_id"])
    return json_reply(connectivity_status_of(status))


async def delete_network(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Delete a network and its sessions."""
    await networks.delete_network(app, scope_of(call), call.actor, call.ids["network_id"])
    return empty_reply()


async def create_session(app: Reconfiguration, call: Call[None, Form]) -> Reply:
    """Make a session."""
    session_id = call.ids["session_id"]
    async with call.body as form:
        new = NewSession(
            session_id=session_id,
            network_id=form.texts["networkId"],
            demands=form.files["demands"],
            start_configuration=form.files.get("startConfiguration"),
            allow_unspecified_demands=form.flags.get("allowUnspecifiedConsumerDemands", False),
        )
        await sessions.create_session(app, scope_of(call), call.actor, new)
    return created(session_id, location=f"/api/sessions/{quote(session_id, safe='')}")


async def get_session(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Say how a session stands."""
    row = await sessions.session_status(app, scope_of(call), call.ids["session_id"])
    return json_reply(session_status_of(row))


async def run_optimization(app: Reconfiguration, call: Call[None, bool]) -> Reply:
    """Start or stop the optimisation."""
    steer = runs.start_run if call.body else runs.stop_run
    await steer(app, scope_of(call), call.actor, call.ids["session_id"])
    return empty_reply()


async def get_demands(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Download the demands."""
    return document_reply(await sessions.demands_document(app, scope_of(call), call.ids["session_id"]))


async def get_best_solution(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Download the best known solution."""
    document = await solutions.solution_document(app, scope_of(call), call.ids["session_id"], BEST)
    return document_reply(document)


async def get_best_solution_info(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Say what the best known solution is worth."""
    row = await solutions.solution_row(app, scope_of(call), call.ids["session_id"], BEST)
    return json_reply(solution_info_of(row))


async def delete_session(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Delete a session."""
    await sessions.delete_session(app, scope_of(call), call.actor, call.ids["session_id"])
    return empty_reply()


async def get_objective_weights(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """List the weights."""
    found = await weights.objective_weights(app, scope_of(call), call.ids["session_id"])
    return json_reply(objective_weights_of(found))


async def set_objective_weights(app: Reconfiguration, call: Call[None, list[NewWeight]]) -> Reply:
    """Change weights."""
    given = [WeightOf(one.objective_name, one.weight) for one in call.body]
    await weights.set_objective_weights(app, scope_of(call), call.actor, call.ids["session_id"], given)
    return empty_reply()


async def get_solution(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Download a solution."""
    return document_reply(await solutions.solution_document(app, scope_of(call), *_solution_of(call.ids)))


async def get_solution_info(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Say what a solution is worth."""
    return json_reply(solution_info_of(await solutions.solution_row(app, scope_of(call), *_solution_of(call.ids))))


async def add_solution(app: Reconfiguration, call: Call[None, Spool]) -> Reply:
    """Put a solution into the pool."""
    async with call.body as document:
        await solutions.add_solution(app, _change_of(call, "solution_id"), document)
    return empty_reply()


async def update_solution(app: Reconfiguration, call: Call[None, Spool]) -> Reply:
    """Replace a solution of the pool."""
    async with call.body as document:
        await solutions.update_solution(app, _change_of(call, "solution_id"), document)
    return empty_reply()


async def delete_solution(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Take a solution out of the pool."""
    await solutions.delete_solution(app, _change_of(call, "solution_id"))
    return empty_reply()


async def repair_solution(app: Reconfiguration, call: Call[None, None]) -> Reply:
    """Put a radial copy of a solution into the pool."""
    return text_reply(await solutions.repair_solution(app, _change_of(call, "new_id"), call.ids["solution_id"]))


def _solution_of(ids: Mapping[str, str]) -> tuple[str, str]:
    return ids["session_id"], ids["solution_id"]


def _change_of(call: Call[None, Any], name: str) -> PoolChange:  # Any: whatever the change takes
    """Whose wish about which solution a call is; ``name`` says what its id is called in the path."""
    return PoolChange(scope_of(call), call.actor, call.ids["session_id"], call.ids[name])


def created(new_id: str, *, location: str) -> Reply:
    """Say under which id something was made, and where it is."""
    return json_reply(CreatedId(id=new_id), status=201).with_headers({"Location": location})
