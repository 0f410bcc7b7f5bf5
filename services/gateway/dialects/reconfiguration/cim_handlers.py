"""Handlers of what the CIM API does differently: documents are JSON bodies that the optimizer reads."""

from __future__ import annotations

from urllib.parse import quote

from services.gateway.dialects.reconfiguration import networks, sessions
from services.gateway.dialects.reconfiguration.handlers import created
from services.gateway.dialects.reconfiguration.scope import CIM_ROOT, scope_of
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.dialects.reconfiguration.sessions import NewSession
from services.gateway.http.binding import BindingFailed
from services.gateway.http.call import Call, Reply
from services.gateway.http.json_scan import find_text
from services.gateway.http.spool import Spool


async def create_network(app: Reconfiguration, call: Call[None, Spool]) -> Reply:
    """Load a network."""
    network_id = call.ids["network_id"]
    async with call.body as document:
        await networks.load_network(app, scope_of(call), call.actor, network_id, document)
    return created(network_id, location=call.head.path)


async def create_session(app: Reconfiguration, call: Call[None, Spool]) -> Reply:
    """Make a session. Which network it is on has to be known before the optimizer reads the rest."""
    session_id = call.ids["session_id"]
    async with call.body as document:
        network_id = await find_text(document.pieces(), "networkId")
        if network_id is None:
            raise BindingFailed({"networkId": ["The document has no property 'networkId' that is a text."]})
        new = NewSession(
            session_id=session_id,
            network_id=network_id,
            demands=document,
            start_configuration=None,
            allow_unspecified_demands=False,
        )
        await sessions.create_session(app, scope_of(call), call.actor, new)
    return created(session_id, location=f"{CIM_ROOT}/sessions/{quote(session_id, safe='')}")
