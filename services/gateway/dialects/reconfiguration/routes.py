"""The routes of the JSON API: the table from which requests are dispatched and the OpenAPI document is made."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.reconfiguration import handlers
from services.gateway.dialects.reconfiguration.documents import (
    Demand,
    PowerGrid,
    SinglePeriodSettings,
    Solution,
    SolutionSettings,
)
from services.gateway.dialects.reconfiguration.errors import UnknownNetwork
from services.gateway.dialects.reconfiguration.schemas import (
    AnalysisQuery,
    CreatedId,
    GivenWeight,
    NetworkConnectivityStatus,
    NewWeight,
    ObjectiveWeight,
    ServerStatus,
    SessionStatus,
    SolutionInfo,
    UserQuotas,
)
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.http.binding import ValidationProblem
from services.gateway.http.bodies import DocumentBody, JsonBody, NoBody
from services.gateway.http.forms import FileField, FlagField, FormBody, TextField
from services.gateway.http.routes import RETRY_AFTER, Answer, NoQuery, QueryModel, Route, plain_route

SERVER, NETWORKS, SESSIONS, SOLUTIONS = "Server", "Networks", "Sessions", "Solutions"
TAGS = (
    (SERVER, "What there is."),
    (NETWORKS, "Grids that were loaded."),
    (SESSIONS, "A grid with demands over one or more periods, to be optimised."),
    (SOLUTIONS, "How to set the switches, and what that is worth."),
)

_TEXT, _JSON, _PROBLEM = "text/plain", "application/json", "application/problem+json"
_LATER = Answer(503, "Something that is needed is away; try again.", _TEXT, headers=RETRY_AFTER)
_WRONG_FORM = Answer(400, "The request does not have the form described here.", _PROBLEM, ValidationProblem)
_NO_SESSION = Answer(404, "There is no such session.", _TEXT)
_NO_SOLUTION = Answer(404, "There is no such session, or no such solution in it.", _TEXT)
_NO_NETWORK_READ = Answer(400, "No such network is loaded.", _TEXT)
_NO_NETWORK = Answer(404, "No such network is loaded.", _TEXT)
_DONE = Answer(200, "Done.")
_UPLOAD_REFUSED = (
    Answer(413, "The documents are larger than this server takes.", _TEXT),
    Answer(415, "The body is no multipart form.", _TEXT),
    Answer(507, "There is no room for the documents.", _TEXT),
)
_JSON_REFUSED = (
    Answer(413, "The body is too large.", _TEXT),
    Answer(415, "The body is not labelled as JSON.", _TEXT),
)
_CREATED = Answer(201, "Created.", _JSON, CreatedId, headers={"Location": "Where it is."})

NETWORK_FORM = FormBody([FileField("networkDescription", PowerGrid, "The network.")])
SESSION_FORM = FormBody(
    [
        TextField("networkId", "Id of a network that is loaded."),
        FileField("demands", Demand, "The demands over all periods."),
        FileField(
            "startConfiguration",
            SinglePeriodSettings,
            "How the switches are set before the first period; absent, empty or null for none.",
            required=False,
        ),
        FlagField("allowUnspecifiedConsumerDemands", "Whether consumers without demands count as 0."),
    ]
)

SOLUTION_BODY = DocumentBody(SolutionSettings)
_SOLUTION_REFUSED = (*_JSON_REFUSED, _UPLOAD_REFUSED[-1])

# Any: routes differ in their queries and bodies.
ROUTES: tuple[Route[Reconfiguration, Any, Any], ...] = (
    plain_route(
        "GET",
        "/api/server",
        handlers.get_server_status,
        "Networks and sessions of the caller",
        SERVER,
        (Answer(200, "Both in order of creation.", _JSON, ServerStatus), _LATER),
    ),
    plain_route(
        "GET",
        "/api/identity/quotas",
        handlers.get_quotas,
        "How much the caller may have",
        SERVER,
        (Answer(200, "Limits and time-outs.", _JSON, UserQuotas), _LATER),
    ),
    Route(
        "POST",
        "/api/networks/{network_id}",
        handlers.create_network,
        NoQuery(),
        NETWORK_FORM,
        "Load a network",
        NETWORKS,
        (
            _CREATED,
            Answer(400, "The id is in use, or the document is faulty: the text says where.", _TEXT),
            _WRONG_FORM,
            Answer(403, "It would be one network too many, or it is too large: the text names the limit.", _TEXT),
            *_UPLOAD_REFUSED,
            _LATER,
        ),
    ),
    plain_route(
        "GET",
        "/api/networks/{network_id}",
        handlers.get_network,
        "Download a network",
        NETWORKS,
        (Answer(200, "The network, normalised.", _JSON, PowerGrid), _NO_NETWORK_READ, _LATER),
    ),
    plain_route(
        "DELETE",
        "/api/networks/{network_id}",
        handlers.delete_network,
        "Delete a network and its sessions",
        NETWORKS,
        (_DONE, _NO_NETWORK, _LATER),
        statuses={UnknownNetwork.code: 404},
    ),
    Route(
        "GET",
        "/api/networks/{network_id}/analysis",
        handlers.get_network_analysis,
        QueryModel(AnalysisQuery),
        NoBody(),
        "Report on a network",
        NETWORKS,
        (Answer(200, "The report.", _TEXT), _NO_NETWORK_READ, _WRONG_FORM, _LATER),
    ),
    plain_route(
        "GET",
        "/api/networks/{network_id}/connectivityStatus",
        handlers.get_network_connectivity_status,
        "Whether a network can be operated radially",
        NETWORKS,
        (
            Answer(200, "What stands in the way, if anything.", _JSON, NetworkConnectivityStatus),
            _NO_NETWORK_READ,
            _LATER,
        ),
    ),
    Route(
        "POST",
        "/api/sessions/{session_id}",
        handlers.create_session,
        NoQuery(),
        SESSION_FORM,
        "Make a session",
        SESSIONS,
        (
            _CREATED,
            Answer(400, "The id is in use, the network not loaded, or a document faulty: the text says which.", _TEXT),
            _WRONG_FORM,
            Answer(403, "It would be one session too many: the text names the limit.", _TEXT),
            *_UPLOAD_REFUSED,
            _LATER,
        ),
    ),
    plain_route(
        "GET",
        "/api/sessions/{session_id}",
        handlers.get_session,
        "How a session stands",
        SESSIONS,
        (Answer(200, "Its status.", _JSON, SessionStatus), _NO_SESSION, _LATER),
    ),
    plain_route(
        "DELETE",
        "/api/sessions/{session_id}",
        handlers.delete_session,
        "Delete a session",
        SESSIONS,
        (_DONE, _NO_SESSION, _LATER),
    ),
    Route(
        "PUT",
        "/api/sessions/{session_id}/runOptimization",
        handlers.run_optimization,
        NoQuery(),
        JsonBody(bool),
        "Start or stop the optimisation",
        SESSIONS,
        (
            Answer(200, "It runs, or it has stopped and the best solution is final."),
            _WRONG_FORM,
            _NO_SESSION,
            *_JSON_REFUSED,
            _LATER,
        ),
        description="true starts a run that goes on until it is stopped; false stops it and answers when it has ended.",
    ),
    plain_route(
        "GET",
        "/api/sessions/{session_id}/demands",
        handlers.get_demands,
        "Download the demands in effect",
        SESSIONS,
        (Answer(200, "One series for each consumer.", _JSON, Demand), _NO_SESSION, _LATER),
    ),
    plain_route(
        "GET",
        "/api/sessions/{session_id}/objectiveWeights",
        handlers.get_objective_weights,
        "The weights of the objectives",
        SESSIONS,
        (Answer(200, "All five, always in this order.", _JSON, ObjectiveWeight, is_list=True), _NO_SESSION, _LATER),
    ),
    Route(
        "PUT",
        "/api/sessions/{session_id}/objectiveWeights",
        handlers.set_objective_weights,
        NoQuery(),
        JsonBody(list[GivenWeight], models=(NewWeight,)),
        "Change weights of the objectives",
        SESSIONS,
        (
            _DONE,
            Answer(400, "The session is being optimised, there is no such objective, or a weight is negative.", _TEXT),
            _WRONG_FORM,
            _NO_SESSION,
            *_JSON_REFUSED,
            _LATER,
        ),
        description="Objectives that are not listed keep their weight. It counts at once; all are changed or none.",
    ),
    plain_route(
        "GET",
        "/api/sessions/{session_id}/bestSolution",
        handlers.get_best_solution,
        "Download the best known solution",
        SOLUTIONS,
        (Answer(200, "Switch settings and flows.", _JSON, Solution), _NO_SESSION, _LATER),
    ),
    plain_route(
        "GET",
        "/api/sessions/{session_id}/bestSolutionInfo",
        handlers.get_best_solution_info,
        "What the best known solution is worth",
        SOLUTIONS,
        (Answer(200, "Its value, violations and bound.", _JSON, SolutionInfo), _NO_SESSION, _LATER),
    ),
    plain_route(
        "GET",
        "/api/sessions/{session_id}/solutions/{solution_id}",
        handlers.get_solution,
        "Download a solution",
        SOLUTIONS,
        (Answer(200, "Switch settings and flows.", _JSON, Solution), _NO_SOLUTION, _LATER),
        description="'best' is the best known one, here and below.",
    ),
    Route(
        "POST",
        "/api/sessions/{session_id}/solutions/{solution_id}",
        handlers.add_solution,
        NoQuery(),
        SOLUTION_BODY,
        "Add a solution to the pool",
        SOLUTIONS,
        (
            _DONE,
            Answer(400, "The document is faulty, or the id is in use or reserved: the text says which.", _TEXT),
            _WRONG_FORM,
            _NO_SESSION,
            *_SOLUTION_REFUSED,
            _LATER,
        ),
        description="It need not be feasible. The best solution stays as it is until the session is optimised.",
    ),
    Route(
        "PUT",
        "/api/sessions/{session_id}/solutions/{solution_id}",
        handlers.update_solution,
        NoQuery(),
        SOLUTION_BODY,
        "Replace a solution of the pool",
        SOLUTIONS,
        (
            _DONE,
            Answer(
                400, "The document is faulty, or there is nothing of that id to update: the text says which.", _TEXT
            ),
            _WRONG_FORM,
            _NO_SESSION,
            *_SOLUTION_REFUSED,
            _LATER,
        ),
    ),
    plain_route(
        "DELETE",
        "/api/sessions/{session_id}/solutions/{solution_id}",
        handlers.delete_solution,
        "Remove a solution from the pool",
        SOLUTIONS,
        (_DONE, Answer(400, "'best' cannot be removed.", _TEXT), _NO_SOLUTION, _LATER),
    ),
    plain_route(
        "GET",
        "/api/sessions/{session_id}/solutions/{solution_id}/info",
        handlers.get_solution_info,
        "What a solution is worth",
        SOLUTIONS,
        (Answer(200, "Its value, violations and bound.", _JSON, SolutionInfo), _NO_SOLUTION, _LATER),
    ),
    plain_route(
        "POST",
        "/api/sessions/{session_id}/solutions/{solution_id}/repair/{new_id}",
        handlers.repair_solution,
        "Add a radial copy of a solution to the pool",
        SOLUTIONS,
        (
            Answer(200, "How many switches were opened, then how many were closed.", _TEXT),
            Answer(400, "The new id is in use or reserved, or nothing makes the solution radial.", _TEXT),
            _NO_SOLUTION,
            _LATER,
        ),
    ),
)
