"""The vectors of a multivector encoder go into a backup and come out of it as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import numpy as np

from viewfinder.backup.archive_reader import ArchiveReader
from viewfinder.cli.backup_writing import write_backup
from viewfinder.cli.owners import Owners
from viewfinder.cli.restoring import stored_points
from viewfinder.v1 import catalog_pb2, common_pb2, search_pb2

SPEC = common_pb2.EncoderSpec(name="pages", revision="r", kind="multivector", dim=4)
CATALOGUE = b"SQLite"


class _Silent:
    def begin(self, what: str, total: int, in_bytes: bool = True) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass


class _Catalog:
    async def DumpCatalogue(
        self, request: object, timeout: float
    ) -> AsyncIterator[catalog_pb2.DumpCatalogueResponse]:
        head = catalog_pb2.CatalogueHead(schema="0004", size_bytes=len(CATALOGUE))
        yield catalog_pb2.DumpCatalogueResponse(head=head)
        yield catalog_pb2.DumpCatalogueResponse(chunk=CATALOGUE)


class _Search:
    def __init__(self, points: search_pb2.StoredPoints) -> None:
        self._points = points

    async def GetCollection(self, request: object, timeout: float) -> search_pb2.Collection:
        other = search_pb2.Collection(spec=SPEC, vectors_count=len(self._points.points))
        return search_pb2.Collection(others=[other])

    async def DumpCollections(
        self, request: object, timeout: float
    ) -> AsyncIterator[search_pb2.DumpCollectionsResponse]:
        head = search_pb2.DumpedCollection(spec=SPEC, vectors_count=len(self._points.points))
        yield search_pb2.DumpCollectionsResponse(collection=head)
        yield search_pb2.DumpCollectionsResponse(points=self._points)


def _stored(matrices: list[Any]) -> search_pb2.StoredPoints:
    return search_pb2.StoredPoints(
        points=[
            search_pb2.StoredPoint(id=str(uuid4()), payload_json='{"page": 1}') for _ in matrices
        ],
        multi=common_pb2.MultiVectors(
            data=np.concatenate(matrices).tobytes(), rows=[len(one) for one in matrices], dim=4
        ),
    )


async def test_matrices_of_different_heights_come_back(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    stored = _stored([source.random((rows, 4), dtype=np.float32) for rows in (3, 1, 5)])
    owners = cast(Owners, SimpleNamespace(catalog=_Catalog(), search=_Search(stored)))
    path = tmp_path / "b.tar"
    with path.open("w+b") as file:
        await write_backup(owners, None, path, file, _Silent())
    with ArchiveReader(path) as archive:
        archive.verify()
        (part,) = archive.parts(0)
        assert stored_points(part, frozenset()).multi == stored.multi
        left_out = stored.points[1].id
        rest = stored_points(part, frozenset([left_out]))
    assert list(rest.multi.rows) == [3, 5]
    assert len(rest.multi.data) == 8 * 4 * 4
    assert [one.id for one in rest.points] == [stored.points[0].id, stored.points[2].id]
