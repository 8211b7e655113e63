"""Examples for the OpenAPI document; a test sends them all."""

from __future__ import annotations

from typing import Any

from viewfinder.api_models import (
    Base64Upload,
    ImageSearchRequest,
    Problem,
    SearchResponse,
    UploadAccepted,
)

IMAGE_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
JOB_ID = "9b2d6f0e-0c43-4f0e-8f5c-6d1f0c4f7a10"
TINY_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5E"
    "rkJggg=="
)

SEARCH = {
    "by description": {"value": {"query": "a cup of coffee", "top_k": 5}},
    "only what fits": {"value": {"query": "a cup of coffee", "min_relevance": 0.5}},
    "with filters": {
        "value": {
            "query": "people at the beach",
            "filters": {
                "tags": ["holiday", "family"],
                "taken_at": {"gte": "2025-06-01T00:00:00Z", "lt": "2025-09-01T00:00:00Z"},
                "width": {"gte": 1920},
                "category": {"not": "screenshot"},
                "location": {"top": 47.8, "left": 5.9, "bottom": 45.8, "right": 10.5},
                "metadata.customer": "ACME",
            },
            "score_threshold": 0.2,
        }
    },
    "of several parts": {
        "value": {
            "query": "a dog",
            "weight": 2,
            "negative": ["a toy", "a drawing"],
            "examples": [{"text": "snow", "weight": 0.5}],
        }
    },
    "a page with facets": {
        "value": {
            "query": "a cup of coffee",
            "facets": ["tags", "metadata.customer"],
            "group_by": "document",
            "collapse": 0.95,
            "sort": "newest",
        }
    },
    "by name, tags and other words too": {"value": {"query": "IMG_1234", "mode": "hybrid"}},
    "looked at by a vision model": {
        "value": {"query": "a dog that jumps", "rerank": True, "include_explanation": True}
    },
}

ANSWER = {
    "about what fits best": {"value": {"question": "What is written on the red sign?"}},
    "about several, streamed": {
        "value": {
            "question": "Which of these dogs is the oldest?",
            "query": "a dog",
            "top_k": 3,
            "stream": True,
        }
    },
    "a question that follows": {
        "value": {
            "question": "And what colour is its collar?",
            "image_ids": [IMAGE_ID],
            "messages": [
                {"role": "user", "content": "Which dog is this?"},
                {"role": "assistant", "content": "A beagle [1]."},
            ],
        }
    },
}

UPDATE = {"new tags": {"value": {"tags": ["holiday"], "metadata": {"customer": "ACME"}}}}

DESCRIPTIONS = {
    "what it would cost": {"value": {"all": True, "dry_run": True}},
    "what has a tag": {"value": {"tag": ["holiday"]}},
    "one picture again": {"value": {"ids": [IMAGE_ID], "again": True}},
}

LOOKUP = {"one id": {"value": {"ids": [IMAGE_ID]}}}

UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "tags": {
                            "type": "string",
                            "description": "Separated by commas, or a JSON list; may be repeated",
                        },
                        "metadata": {"type": "string", "description": "A JSON object"},
                        "job_id": {"type": "string", "format": "uuid"},
                        "password": {
                            "type": "string",
                            "format": "password",
                            "description": "That opens encrypted PDFs; before the files",
                        },
                        "describe": {
                            "type": "boolean",
                            "description": "By the vision model, once indexed; before the files",
                        },
                        "file_path": {
                            "type": "string",
                            "description": "Where you have the file that follows; only ever shown",
                        },
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        },
                    },
                },
            },
            "application/json": {
                "schema": Base64Upload.model_json_schema(),
                "examples": {
                    "one picture": {
                        "value": {
                            "filename": "dot.png",
                            "image_base64": TINY_PNG,
                            "tags": ["example"],
                        }
                    }
                },
            },
        },
    }
}


def _schema_of(model: type[ImageSearchRequest]) -> dict[str, Any]:
    """Its parts are in the document already: a search by description has the same."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    del schema["$defs"]
    return schema


SEARCH_BY_IMAGE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "top_k": {"type": "integer", "default": 10, "minimum": 1, "maximum": 100},
                        "score_threshold": {"type": "number", "default": 0},
                        "min_relevance": {"type": "number", "default": 0},
                        "filters": {"type": "string", "description": "A JSON object"},
                        "query": {"type": "string", "description": "What it should show besides"},
                        "query_weight": {"type": "number", "default": 1},
                        "weight": {"type": "number", "default": 1},
                        "negative": {"type": "string", "description": "A text, or a JSON list"},
                        "examples": {"type": "string", "description": "A JSON list"},
                        "facets": {"type": "string", "description": "Keys, separated by commas"},
                        "group_by": {"type": "string", "enum": ["document"]},
                        "collapse": {"type": "number", "default": 0},
                        "sort": {"type": "string", "enum": ["relevance", "newest", "oldest"]},
                        "cursor": {"type": "string"},
                        "file": {"type": "string", "format": "binary"},
                    },
                },
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["image_base64"],
                    "properties": {
                        "image_base64": {"type": "string"},
                        "top_k": {"type": "integer", "default": 10},
                        "score_threshold": {"type": "number", "default": 0},
                        "min_relevance": {"type": "number", "default": 0},
                        "filters": {"type": "object"},
                    },
                },
                "examples": {"one picture": {"value": {"image_base64": TINY_PNG, "top_k": 3}}},
            },
        },
    }
}


def answers_of(model: type[UploadAccepted | SearchResponse], status: int) -> dict[int, Any]:
    """The success of a call whose body is described by hand."""
    return {status: {"model": model}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses of a call that can fail with these statuses."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    titles = {
        401: "No API key, or a wrong one",
        403: "A web page of somebody else",
        404: "No such thing",
        408: "The request did not arrive",
        409: "Not searchable yet, vectors of another encoder, a page without its document, or no"
        " vision model is set up",
        413: "Too large",
        415: "Not a picture we can read",
        416: "The range is not within the content",
        422: "A value is not allowed",
        502: "The vision model failed",
        429: "Busy; try again after `Retry-After` seconds",
        503: "A part is away; try again",
        504: "It took too long",
        507: "The disk is full",
    }
    return {
        status: {"model": Problem, "description": titles[status], "content": content}
        for status in statuses
    }
