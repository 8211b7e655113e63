"""Each test here breaks a Viewfinder that it has for itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Stack
from tests.faults.shelf import Shelf


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    shelf = Shelf(lambda: tmp_path_factory.mktemp("own"))
    yield shelf
    shelf.clear()


@pytest.fixture
def own_stack(shelf: Shelf) -> Iterator[Stack]:
    """A Viewfinder that runs and is empty, and may be broken."""
    stack = shelf.take()
    yield stack
    shelf.put(stack)
