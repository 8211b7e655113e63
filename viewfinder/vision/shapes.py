"""The JSON that models must answer with, and how it is checked. What does not fit is refused."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from viewfinder.vision.chat import Shape
from viewfinder.vision.pictures import Description, Ranked
from viewfinder.vision.plain import one_line, printable

_LONGEST_SHOWN = 200


class NotInShapeError(ValueError):
    """The answer is not the JSON that was asked for; the text says why, for the model to read."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_Line = Annotated[str, StringConstraints(max_length=400)]
_Word = Annotated[str, StringConstraints(max_length=80)]


class _Place(_Strict):
    picture: int
    reason: _Line


class _Ranking(_Strict):
    ranking: list[_Place] = Field(min_length=1, max_length=100)


class _Description(_Strict):
    caption: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    objects: list[_Word] = Field(max_length=50)
    text: Annotated[str, StringConstraints(max_length=8000)]
    colours: list[_Word] = Field(max_length=20)
    setting: _Line


# Written out: servers know different parts of JSON Schema, and these are the ones all know.
RANKING = Shape(
    "ranking",
    {
        "type": "object",
        "properties": {
            "ranking": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "picture": {"type": "integer"},
                        "reason": {"type": "string"},
                    },
                    "required": ["picture", "reason"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["ranking"],
        "additionalProperties": False,
    },
)
DESCRIPTION = Shape(
    "description",
    {
        "type": "object",
        "properties": {
            "caption": {"type": "string"},
            "objects": {"type": "array", "items": {"type": "string"}},
            "text": {"type": "string"},
            "colours": {"type": "array", "items": {"type": "string"}},
            "setting": {"type": "string"},
        },
        "required": ["caption", "objects", "text", "colours", "setting"],
        "additionalProperties": False,
    },
)

M = TypeVar("M", bound=BaseModel)


def read_ranking(answer: str, count: int) -> list[Ranked]:
    """The order of `count` pictures, best first; some may be missing.

    Raises:
        NotInShapeError: it is something else, or names a picture that was not shown, or one twice.
    """
    places = _read(answer, _Ranking).ranking
    indices = [place.picture - 1 for place in places]
    if any(not 0 <= index < count for index in indices):
        raise NotInShapeError(f"`picture` must be a number from 1 to {count}")
    if len(set(indices)) < len(indices):
        raise NotInShapeError("each picture may be named once")
    return [
        Ranked(index, one_line(place.reason)) for index, place in zip(indices, places, strict=True)
    ]


def read_description(answer: str) -> Description:
    """What the picture shows.

    Raises:
        NotInShapeError: it is something else.
    """
    found = _read(answer, _Description)
    return Description(
        caption=one_line(found.caption, 1000),
        objects=_words(found.objects),
        text=printable(found.text).strip(),
        colours=_words(found.colours),
        setting=one_line(found.setting, 400),
    )


def _words(words: list[str]) -> tuple[str, ...]:
    clean = (one_line(word) for word in words)
    return tuple(dict.fromkeys(word for word in clean if word))


def _read(answer: str, model: type[M]) -> M:
    """From the first brace to the last: some models cannot help saying a word around it."""
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start:
        raise NotInShapeError("there is no JSON object in it")
    try:
        return model.model_validate_json(answer[start : end + 1])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotInShapeError(f"{where or 'it'}: {first['msg']}"[:_LONGEST_SHOWN]) from None
