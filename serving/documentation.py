"""The OpenAPI document and the page that shows it; all files of the page come from here."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import flask_openapi3_swagger
from flask import Blueprint, Response, jsonify, render_template
from flask_openapi3 import Info, OpenAPI, Tag
from pydantic import BaseModel

from contract.lists.audiences import CHANGES, PARTS
from contract.lists.files import FORMS
from contract.lists.filters import BOUNDED, MOST_CHARACTERS, MOVED, NEW
from contract.lists.selections import DEFAULT_SORT
from contract.names import STATES
from serving import observing, schemas
from serving.audiences import MOST_SEED
from serving.champion import NO_CHAMPION, Follower
from serving.checks import DEFAULT_LIMIT, MAX_LIMIT, MAX_PAGE, MAX_ROWS
from serving.snapshot import Snapshot

REF = "#/components/schemas/"
ANALYTICS, SCORING, ABOUT = (
    Tag(name="analytics", description="Who the customers are"),
    Tag(name="scoring", description="Which segment a customer belongs to"),
    Tag(name="about", description="This service"),
)
ERRORS = {
    400: ("Bad Request", "limit 0 is out of range. Expected a whole number from 1 to 500."),
    401: ("Unauthorized", "A token is needed. Send it as `Authorization: Bearer TOKEN`."),
    404: ("Not Found", "There is no customer 'x' in this data."),
    409: ("Conflict", "Filter moved: this version does not have it. Train anew: `segments train --promote`."),
    413: ("Request Entity Too Large", "The body is larger than 2,097,152 bytes. Send fewer rows at a time."),
    415: ("Unsupported Media Type", "Expected a JSON body. Send it with Content-Type: application/json."),
    500: ("Internal Server Error", "This should not happen. The log of the server says what did."),
    503: ("Service Unavailable", NO_CHAMPION),
}
SEGMENT = {"segment": {"type": "integer", "minimum": 0, "description": "The segment's number", "example": 0}}
CUSTOMER_ID = {
    "customer_id": {"type": "string", "minLength": 1, "description": "As people type it", "example": "12347"}
}
PAGING = {
    "page": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1},
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
}
NAMED_VERSION = "A version's number or an as-of date; the champion without it"
BETWEEN = {
    "from": {"type": "string", "description": NAMED_VERSION, "example": "1"},
    "to": {"type": "string", "description": NAMED_VERSION, "example": "2011-12-10"},
}
STATE = {
    "state": {"type": "string", "enum": list(STATES), "description": "Only customers who are in this state"}
}
LIST_PAGING = {"page": PAGING["page"], "per_page": PAGING["limit"]}
_SEGMENTS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
FILTER = {  # of a list of customers; a name that is repeated asks for any of its values
    "q": {
        "type": "string",
        "maxLength": MOST_CHARACTERS,
        "description": "Part of the id or of a kept column, such as an e-mail address, in small or large letters",
    },
    "segment": _SEGMENTS | {"description": "Numbers of segments"},
    "state": {
        "type": "array",
        "items": {"type": "string", "enum": list(STATES)},
        "description": "Where customers stand between two orders",
    },
    "unusual": {"type": "boolean", "description": "Only the unusual customers, or only the others"},
    **{
        f"{end}_{name}": {"type": "number", "description": f"{words} {column}"}
        for name, column in BOUNDED.items()
        for end, words in (("min", "Least"), ("max", "Most"))
    },
    "kept.country": {
        "type": "array",
        "items": {"type": "string"},
        "description": "What a kept column holds, exactly; any column that the shop kept, by its name behind `kept.`; "
        "empty: customers without",
    },
    "from_segment": {
        "type": "array",
        "items": {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "const": NEW}]},
        "description": f"Segments at the earlier date of the movement table; {NEW}: no customer then",
    },
    "to_segment": _SEGMENTS | {"description": "Segments at its later date, which is the as-of date"},
    "moved": {
        "type": "array",
        "items": {"type": "string", "enum": list(MOVED)},
        "description": "How customers moved between the two dates",
    },
}
VIEW = {
    "sort": {
        "type": "string",
        "default": DEFAULT_SORT,
        "description": "A column's name, with - in front from the largest; who has no value comes last",
    },
    "fields": {"type": "string", "description": "Names of columns with commas between them; default: all"},
}
AUDIENCE = {
    "form": {
        "type": "string",
        "enum": list(FORMS),
        "default": FORMS[0],
        "description": "The tool whose import takes the file; for google and meta, who a person is is hashed",
    },
    "holdout": {
        "type": "string",
        "description": "Share of the list that is left out as a control group, such as 10%; above 0% up to 90%",
    },
    "holdout_part": {
        "type": "string",
        "enum": list(PARTS),
        "default": PARTS[0],
        "description": "Those who are written to, or those held out",
    },
    "seed": {
        "type": "integer",
        "minimum": 0,
        "maximum": MOST_SEED,
        "default": 0,
        "description": "Another control group",
    },
    "since": {
        "type": "string",
        "description": "A version's number or a day: only who joined or left the list since",
    },
    "change": {
        "type": "string",
        "enum": list(CHANGES),
        "default": CHANGES[0],
        "description": "Which of them",
    },
}
ROWS = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {"$ref": f"{REF}Metrics"},
                    {
                        "type": "array",
                        "items": {"$ref": f"{REF}Metrics"},
                        "minItems": 1,
                        "maxItems": MAX_ROWS,
                    },
                ]
            },
            "examples": {
                "one": {"summary": "One customer", "value": schemas.FEATURE_EXAMPLE},
                "list": {"summary": "A list", "value": [schemas.FEATURE_EXAMPLE]},
            },
        }
    },
}
VERSION_HEADER = {
    observing.VERSION_HEADER: {
        "description": "The version that answered; absent when none is loaded",
        "schema": {"type": "integer"},
    }
}


def answers(
    model: type[BaseModel] | str, *errors: int, example: object = None
) -> dict[str | int | HTTPStatus, Any]:
    """OpenAPI answers: 200 as a schema, or as a media type such as text/csv, and the errors."""
    if isinstance(model, str):
        good: dict[str, object] = {
            "description": "OK",
            "content": {model: {"schema": {"type": "string"}, "example": example}},
        }
    else:
        example = example or model.model_json_schema()["example"]
        reference = {"schema": {"$ref": f"{REF}{model.__name__}"}, "example": example}
        good = {"description": model.__doc__, "content": {"application/json": reference}}
    return {200: good, **{code: _error(code) for code in errors}}


def asks(
    path: Mapping[str, Any] | None = None,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """OpenAPI parameters and body of an operation.

    They are documented here and checked in `checks`: flask-openapi3 would make each query's schema
    anew for every request.
    """
    parameters = [
        {"name": name, "in": part, "required": part == "path", "schema": schema}
        for part, group in (("path", path or {}), ("query", query or {}))
        for name, schema in group.items()
    ]
    return {"parameters": parameters} | ({"requestBody": body} if body else {})


def info() -> Info:
    """Title and version of the document."""
    try:
        release = version("customer-segments")
    except PackageNotFoundError:
        release = "0"
    return Info(
        title="Customer segments",
        version=release,
        description="Segments, unusual customers and scores, all from the model version that is champion.",
    )


def register(app: OpenAPI, locked: bool, follower: Follower[Snapshot]) -> None:
    """Serve /openapi.json and /apidocs. locked: a token is needed."""
    files = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"
    app.register_blueprint(
        Blueprint("swagger", __name__, static_folder=files, static_url_path="/apidocs/files")
    )
    document = _document(app, locked)

    @app.route("/openapi.json")
    def openapi() -> Response:
        return jsonify(document)

    @app.route("/apidocs")
    def apidocs() -> str:
        return render_template("apidocs.html", problem=follower.obstacle)


def _document(app: OpenAPI, locked: bool) -> dict[str, Any]:
    document = app.api_doc
    models = [
        value
        for value in vars(schemas).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == schemas.__name__
        if "[" not in value.__name__  # pydantic's own, such as RootModel[...]
    ]
    parts: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template=REF + "{model}", mode="validation")
        parts |= schema.pop("$defs", {}) | {model.__name__: schema}
    document["components"] = {"schemas": parts}
    if locked:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic", "description": "The token is the password."},
        }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            codes = operation["responses"]
            codes.pop("422", None)
            codes["500"] = _error(500)
            if locked and path != "/health":
                operation["security"] = [{"bearer": []}, {"basic": []}]
                codes["401"] = _error(401)
            for answer in codes.values():
                answer["headers"] = VERSION_HEADER
    return document


def _error(code: int) -> dict[str, Any]:
    name, message = ERRORS[code]
    example = {"error": {"code": code, "name": name, "message": message}}
    content = {"application/json": {"schema": {"$ref": f"{REF}Error"}, "example": example}}
    return {"description": name, "content": content}
