"""Whatever is uploaded: the right error, or a picture, and the pool lives on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.hostile_files import HostileFile, encoded, hostile_files
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PixelPool, PixelSpec

SPEC = PixelSpec(size=32)
FILES = hostile_files()


@pytest.fixture(scope="module")
def pool() -> Iterator[PixelPool]:
    with PixelPool() as pool:
        yield pool


def refusal(pool: PixelPool, file: HostileFile) -> tuple[str, str] | tuple[None, None]:
    try:
        pool.inspect(file.content, file.name)
    except ViewfinderError as error:
        return error.code, "inspect"
    try:
        pool.prepare(file.content, SPEC, file.name)
    except ViewfinderError as error:
        return error.code, "prepare"
    return None, None


@pytest.mark.parametrize("file", FILES, ids=lambda file: ascii(file.name)[:40])
def test_a_hostile_file_leads_to_its_error(pool: PixelPool, file: HostileFile) -> None:
    found_by = file.found_by if file.expected_code is not None else None
    assert refusal(pool, file) == (file.expected_code, found_by)


@pytest.mark.parametrize("file", FILES, ids=lambda file: ascii(file.name)[:40])
def test_what_inspect_refuses_prepare_and_render_refuse_too(
    pool: PixelPool, file: HostileFile
) -> None:
    if file.expected_code is None:
        assert pool.render(file.content, 64, "webp", file.name)[8:12] == b"WEBP"
        return
    for work in (
        lambda: pool.prepare(file.content, SPEC, file.name),
        lambda: pool.render(file.content, 64, "webp", file.name),
    ):
        with pytest.raises(ViewfinderError) as refused:
            work()
        assert refused.value.code == file.expected_code


def test_bad_pictures_of_a_batch_fail_alone(pool: PixelPool) -> None:
    good = encoded("PNG")
    sources = [source for file in FILES[:50] for source in (file.content, good)]
    results = pool.prepare_many(sources, SPEC)
    expected = pool.prepare(good, SPEC)
    for bad, well in zip(results[::2], results[1::2], strict=True):
        assert isinstance(bad, ViewfinderError)
        assert np.array_equal(well, expected)


def test_an_unsupported_file_is_named_for_what_it_is(pool: PixelPool) -> None:
    with pytest.raises(ViewfinderError, match="an SVG drawing"):
        pool.inspect(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cat.jpg")
