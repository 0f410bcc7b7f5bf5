"""The OpenAPI document of a table of routes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.http.routes import Answer, Route

# Any: JSON values of arbitrary shape.
Json = dict[str, Any]

REF = "#/components/schemas/{model}"
NOT_EMPTY = "Any text but the empty one, without a slash; percent-encoded."


def openapi_document(
    routes: Sequence[Route[Any, Any, Any]],
    *,
    title: str,
    version: str,
    description: str,
    tags: Sequence[tuple[str, str]],
    openapi: str = "3.1.0",
    security_schemes: Mapping[str, Json] | None = None,
) -> Json:
    """Describe the routes; ``tags`` are names and descriptions in the order in which pages show them.

    Each of ``security_schemes`` by itself lets a caller in, save on public routes, which ask for none. A document of ``openapi``
    3.0 must have no schema that only 3.1 knows.
    """
    paths: dict[str, Json] = {}
    for route in routes:
        operation = _operation(route)
        if security_schemes and route.is_public:
            operation["security"] = []
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    document: Json = {
        "openapi": openapi,
        "info": {"title": title, "version": version, "description": description},
        "tags": [{"name": name, "description": text} for name, text in tags],
        "paths": paths,
        "components": {"schemas": _schemas(routes)},
    }
    if security_schemes:
        document["components"]["securitySchemes"] = dict(security_schemes)
        document["security"] = [{name: []} for name in security_schemes]
    return document


@functools.lru_cache(maxsize=32)
def served_under(document: bytes, prefix: str) -> bytes:
    """A document for a client that used a path prefix, as it will for what the document tells it."""
    return orjson.dumps(orjson.loads(document) | {"servers": [{"url": prefix}]}) if prefix else document


def to_bytes(document: Json) -> bytes:
    """As text with indentation, for the committed copy and for readers."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _operation(route: Route[Any, Any, Any]) -> Json:
    operation: Json = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "responses": {},
    }
    if route.description:
        operation["description"] = route.description
    if parameters := [*_path_parameters(route.path), *_query_parameters(route.query.model)]:
        operation["parameters"] = parameters
    if (body := route.body.describe()) is not None:
        content: Json = {"schema": dict(body.schema)}
        if body.encoding:
            content["encoding"] = body.encoding
        operation["requestBody"] = {"required": True, "content": {body.media_type: content}}
    for status in sorted({answer.status for answer in route.answers}):
        operation["responses"][str(status)] = _response([a for a in route.answers if a.status == status])
    return operation


def _operation_id(route: Route[Any, Any, Any]) -> str:
    name: str = route.handler.__name__
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _path_parameters(path: str) -> list[Json]:
    schema = {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^/]+$"}
    return [
        {"name": name, "in": "path", "required": True, "description": NOT_EMPTY, "schema": schema}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[Json]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    parameters = []
    for name, described in schema["properties"].items():
        shown = {key: value for key, value in described.items() if key not in {"title", "description"}}
        parameter: Json = {"name": name, "in": "query", "required": name in required, "schema": shown}
        if text := described.get("description"):
            parameter["description"] = text
        parameters.append(parameter)
    return parameters


def _response(answers: Sequence[Answer]) -> Json:
    """All answers of one status: they may differ in their media type, or in their form."""
    response: Json = {"description": " Or: ".join(answer.description for answer in answers)}
    schemas: dict[str, list[Json]] = {}
    headers: Json = {}
    for answer in answers:
        if answer.media_type is not None:
            known, schema = schemas.setdefault(answer.media_type, []), _answer_schema(answer)
            if schema not in known:
                known.append(schema)
        for name, text in answer.headers.items():
            headers[name] = {"description": text, "schema": {"type": "string"}}
    if schemas:
        response["content"] = {
            media_type: {"schema": known[0] if len(known) == 1 else {"anyOf": known}}
            for media_type, known in schemas.items()
        }
    if headers:
        response["headers"] = headers
    return response


def _answer_schema(answer: Answer) -> Json:
    if answer.model is None:
        return {"type": "string"}
    reference = {"$ref": REF.format(model=answer.model.__name__)}
    return {"type": "array", "items": reference} if answer.is_list else reference


def _schemas(routes: Iterable[Route[Any, Any, Any]]) -> Json:
    models: dict[type[BaseModel], None] = {}
    for route in routes:
        described = route.body.describe()
        models |= dict.fromkeys(described.models if described else ())
        models |= dict.fromkeys(answer.model for answer in route.answers if answer.model is not None)
    # As documents are read: what has a default may be left out. Replies always have every property, which this allows.
    _, schema = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    definitions: Json = schema.get("$defs", {})
    return dict(sorted(definitions.items()))
