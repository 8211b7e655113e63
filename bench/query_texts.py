"""What the measurements search for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from bench.captions import captions

QUERIES = (
    "a cat",
    "a cup of coffee on a table",
    "a man with a camera",
    "a motorcycle in a garage",
    "green grass",
    "the moon at night",
    "a rocket on its launch pad",
    "an astronaut in an orange suit",
    "old coins",
    "a page of printed text",
    "a brick wall",
    "a horse",
    "stars and galaxies",
    "a dog running on a beach",
    "children playing football",
)
_VARIATIONS = 2000


def repeated() -> Iterator[str]:
    """The same 15 over and over, without end."""
    while True:
        yield from QUERIES


def varied(seed: int) -> Iterator[str]:
    """The same 15, each time with other words beside it: no text comes twice, without end."""
    others = [caption.text for caption in captions(_VARIATIONS, seed)]
    for number in count():
        query = QUERIES[number % len(QUERIES)]
        turn, other = divmod(number, len(others))
        yield f"{query} and {others[other]}{f' {seed} {turn}' if turn else ''}"
