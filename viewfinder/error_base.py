"""What all errors of errors.py are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False)
class ViewfinderError(Exception):
    """Base of all errors that may reach a user."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"
    title: ClassVar[str] = "Something went wrong on our side"
    template: ClassVar[str] = "Internal error"

    @property
    def message(self) -> str:
        """One or two sentences for people."""
        return self.template.format(**self.field_values())

    def field_values(self) -> dict[str, object]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def fields_json(self) -> str:
        """The fields as a JSON object, for the wire."""
        return json.dumps(self.field_values())

    def __str__(self) -> str:
        return self.message
