"""The endpoints for programs as OpenAPI 3.1. Gradio's own description says 3.0, which knows no null, names
Gradio's version, and tells no parameter that must be given from one that may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qa.version import __version__

Schema = dict[str, Any]

ABOUT = (
    "Questions to a folder of documents, answered by quotes. A call takes two requests: POST begins it and "
    "gives an event_id, GET with that id waits for the result."
)
STREAM = (
    "Server-sent events. The last one is `complete`, whose data is a JSON list with the result alone, or "
    "`error`, whose data says in one sentence what to mend."
)
UPLOADED: Schema = {"type": "array", "items": {"type": "string"}}
"""What an upload gives, and the adding of documents takes."""


def described(title: str, endpoints: Mapping[str, Any], root_path: str) -> Schema:
    """The description, from what Gradio knows of each endpoint (`Blocks.get_api_info()`)."""
    paths: Schema = {}
    for address, endpoint in endpoints.items():
        name = address.removeprefix("/")
        paths[f"/gradio_api/call/v2/{name}"] = {"post": _beginning(name, endpoint)}
        paths[f"/gradio_api/call/{name}/{{event_id}}"] = {"get": _result(name, endpoint)}
    if "/add_documents" in endpoints:
        paths["/gradio_api/upload"] = {"post": _uploading()}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": ABOUT, "version": __version__},
        **({"servers": [{"url": root_path}]} if root_path else {}),
        "paths": paths,
    }


def _beginning(name: str, endpoint: Mapping[str, Any]) -> Schema:
    taken = endpoint["parameters"]
    body = {
        "type": "object",
        "properties": {parameter["parameter_name"]: _type(parameter) for parameter in taken},
        "required": [each["parameter_name"] for each in taken if not each["parameter_has_default"]],
    }
    begun = {
        "type": "object",
        "properties": {"event_id": {"type": "string"}},
        "required": ["event_id"],
    }
    return {
        "summary": _first_sentence(endpoint["description"]),
        "description": endpoint["description"],
        "operationId": name,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": _response("The call has begun.", "application/json", begun)},
    }


def _result(name: str, endpoint: Mapping[str, Any]) -> Schema:
    (given,) = endpoint["returns"]
    event = {"name": "event_id", "in": "path", "required": True, "schema": {"type": "string"}}
    result = {"type": "array", "prefixItems": [given["type"]], "minItems": 1, "maxItems": 1}
    streamed = _response(STREAM, "text/event-stream", {"type": "string"})
    streamed["content"]["text/event-stream"]["schema"] |= {
        "contentMediaType": "application/json",
        "contentSchema": result,
    }
    return {
        "summary": f"The result of {name}",
        "operationId": f"{name}_result",
        "parameters": [event],
        "responses": {"200": streamed},
    }


def _uploading() -> Schema:
    file = {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}}
    body = {"type": "object", "properties": {"files": file}, "required": ["files"]}
    return {
        "summary": "Send files, which are then given to add_documents.",
        "operationId": "upload",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}},
        "responses": {
            "200": _response("The files as add_documents takes them.", "application/json", UPLOADED)
        },
    }


def _type(parameter: Mapping[str, Any]) -> Schema:
    if parameter["python_type"]["type"] == "list[filepath]":
        return UPLOADED
    default = {"default": parameter["parameter_default"]} if parameter["parameter_has_default"] else {}
    return {**parameter["type"], **default}


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].removesuffix(".") + "."


def _response(description: str, media_type: str, schema: Schema) -> Schema:
    return {"description": description, "content": {media_type: {"schema": schema}}}
