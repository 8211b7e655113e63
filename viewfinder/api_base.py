"""What all models of the REST interface are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of what the gateway sends. Clients ignore fields that a newer gateway adds."""

    model_config = ConfigDict(extra="ignore")


class Question(BaseModel):
    """Base of what the gateway accepts: an unknown key is refused, it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid")
