"""A user's own keys with an index: quick, and else the same as without."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge

from search_service.edge_shard import EdgeShard
from search_service.engine_options import EngineOptions
from search_service.filters import FILTER_KEYS, parse_filters
from search_service.index_folder import open_collections
from search_service.metadata_keys import (
    KINDS,
    SETTING,
    MetadataKind,
    check_kinds,
    parse_indexed,
)
from search_service.query import Searcher
from search_service.settings import SearchSettings
from search_service.vector_index import IndexQuery
from search_service.wanted import ByText, Wanted
from tests.search_service.conftest import FakeEncoder
from tests.search_service.points import BUILD_ABOVE, DIM, FREE, SPEC, point, some_points
from viewfinder.errors import InvalidRequest
from viewfinder.settings import load_settings

VALUES: list[Any] = [
    *("a", "b", "1", "", "2020-01-02T03:04:05Z", "2026-01-01"),
    *(1, 1.0, 2, 2.5, 0.1, 10**15, True, False, None),
    *(["a", 1], [True, 2.5], [], {"deep": 1}),
]
ASKED: list[Any] = [
    *("a", "1", "", 1, 2.5, 0.1, 10**15, True, False, "2020-01-02T03:04:05Z"),
    *(["a", "b"], [1, "a", True], {"not": "a"}, {"not": 1}, {"not": True}, {"not": ["a", 1]}),
    *({"gte": 1, "lt": 2.5}, {"gt": 1}, {"not": {"gte": 1}}),
    *({"gte": "2020-01-01"}, {"lt": "2026-01-01T00:00:01Z"}, {"not": {"gte": "2021-01-01"}}),
    *({"exists": True}, {"exists": False}),
]
KEYS = ("metadata.k", "metadata.a.b", "metadata.a")


def indexing(kind: MetadataKind) -> EngineOptions:
    return replace(FREE, indexed_metadata=dict.fromkeys(("k", "a.b", "a"), kind))


def filled(folder: Path, options: EngineOptions, *, with_graph: bool = False) -> EdgeShard:
    """All kinds of values under all keys."""
    chance = random.Random(7)
    shard = EdgeShard(folder, options, for_building=with_graph)
    shard.create(DIM)
    points, vectors = some_points(300)
    mixed = []
    for one in points:
        metadata = {"k": chance.choice(VALUES), "a.b": chance.choice(VALUES)}
        metadata["a"] = {"b": chance.choice(VALUES)} if chance.random() < 0.5 else 3
        mixed.append(point(one.id.int, metadata=metadata if chance.random() < 0.9 else {}))
    shard.upsert(mixed, vectors)
    if with_graph:
        shard.optimize()
    return shard


def answers(shard: EdgeShard, kind: MetadataKind) -> Iterator[tuple[str, set[int], int]]:
    """What every filter finds that a key of this kind may be asked for."""
    anywhere = some_points(1)[1][0]
    for key in KEYS:
        for value in ASKED:
            conditions = parse_filters({key: value})
            try:
                check_kinds(conditions, dict.fromkeys(("k", "a.b", "a"), kind))
            except InvalidRequest:
                continue
            hits = shard.search(IndexQuery(anywhere, 300, conditions, with_payload=False))
            yield f"{key} {value}", {hit.id.int for hit in hits}, shard.count(conditions)


@pytest.mark.parametrize("with_graph", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_changes_no_answer_whatever_stands_under_the_key(
    tmp_path: Path, kind: MetadataKind, with_graph: bool
) -> None:
    plain = filled(tmp_path / "plain", FREE)
    indexed = filled(tmp_path / "indexed", indexing(kind), with_graph=with_graph)
    expected = list(answers(plain, kind))
    assert sum(len(found) for _, found, _ in expected) > 1000
    assert list(answers(indexed, kind)) == expected
    plain.close()
    indexed.close()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", {"gte": "2020-01-01"}),
        ("number", {"not": {"lt": "2020-01-01"}}),
        ("time", 5),
        ("time", ["2020-01-01", 5]),
        ("time", {"gt": 5}),
        ("time", {"not": {"gt": 5}}),
    ],
)
async def test_what_the_index_would_answer_wrongly_is_refused(
    tmp_path: Path, encoder: FakeEncoder, kind: MetadataKind, value: Any
) -> None:
    collections = open_collections(tmp_path, FREE, BUILD_ABOVE)
    searcher = Searcher(collections, encoder, indexed_metadata={"k": kind})
    with pytest.raises(InvalidRequest, match=SETTING):
        await searcher.search(Wanted(ByText("a dog"), filters={"metadata.k": value}))
    await searcher.search(Wanted(ByText("a dog"), filters={"metadata.other": value}))
    await collections.close()


async def test_values_of_indexed_texts_and_flags_are_counted_over_all(
    tmp_path: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search_service.facets.MOST_COUNTED", 3)
    indexed: dict[str, MetadataKind] = {"shop": "text", "sold": "flag", "stars": "number"}
    options = replace(FREE, indexed_metadata=indexed)
    collections = open_collections(tmp_path, options, BUILD_ABOVE)
    shops = ["north", "south", ["north", "east"], "north", "south"]
    points = [
        point(number, metadata={"shop": shop, "sold": number > 2, "stars": number})
        for number, shop in enumerate(shops, start=1)
    ]
    await collections.upsert(SPEC, points, some_points(len(points))[1], beside=False)
    searcher = Searcher(collections, encoder, indexed_metadata=indexed)
    keys = ("metadata.shop", "metadata.sold", "metadata.stars")
    shop, sold, stars = (await searcher.search(Wanted(ByText("a dog"), facets=keys))).facets
    assert {one.value: one.count for one in shop.values} == {"north": 3, "south": 2, "east": 1}
    assert {one.value: one.count for one in sold.values} == {True: 3, False: 2}
    assert (shop.among, sold.among, stars.among) == (0, 0, 3)
    await collections.close()


def schema_of(folder: Path) -> dict[str, Any]:
    shard = edge.EdgeShard.load(str(folder))
    kinds = {path: told.data_type for path, told in shard.info().payload_schema.items()}
    shard.close()
    return kinds


def test_keys_that_are_named_later_are_indexed_when_it_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    filled(folder, FREE).close()
    assert set(schema_of(folder)) == set(FILTER_KEYS)
    named: dict[str, MetadataKind] = {
        "k": "text",
        "a.b": "number",
        "größe": "number",
        "my key": "flag",
    }
    options = replace(FREE, indexed_metadata=named)
    EdgeShard(folder, options).close()
    kinds = schema_of(folder)
    own = {path: kind for path, kind in kinds.items() if path not in FILTER_KEYS}
    assert own == {
        "metadata.k": edge.PayloadSchemaType.Keyword,
        'metadata."a.b"': edge.PayloadSchemaType.Float,
        "metadata.a.b": edge.PayloadSchemaType.Float,
        "metadata.größe": edge.PayloadSchemaType.Float,
        'metadata."my key"': edge.PayloadSchemaType.Bool,
    }


def test_an_index_is_made_once_and_again_when_it_is_of_another_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "0"
    filled(folder, indexing("text")).close()
    made: list[str] = []
    make = edge.UpdateOperation.create_field_index

    class Watched:
        @staticmethod
        def create_field_index(path: str, kind: Any) -> Any:
            made.append(path)
            return make(path, kind)

    monkeypatch.setattr("search_service.edge_shard.edge.UpdateOperation", Watched)
    EdgeShard(folder, indexing("text")).close()
    assert made == []
    options = replace(FREE, indexed_metadata={"k": "number", "a.b": "text", "a": "text"})
    EdgeShard(folder, options).close()
    assert made == ['metadata."k"']
    assert schema_of(folder)["metadata.k"] == edge.PayloadSchemaType.Float


def test_options_reach_the_process_of_the_graph_as_they_are() -> None:
    options = indexing("time")
    assert EngineOptions(**json.loads(json.dumps(asdict(options)))) == options


@pytest.mark.parametrize(
    ("text", "indexed"),
    [
        ("", {}),
        ("album", {"album": "text"}),
        (
            " album , rating:number,draft : flag, metadata.shot:time ",
            {"album": "text", "rating": "number", "draft": "flag", "shot": "time"},
        ),
        ("a.b:number,my key", {"a.b": "number", "my key": "text"}),
    ],
)
def test_keys_are_read_with_their_kinds(text: str, indexed: dict[str, str]) -> None:
    assert parse_indexed(text) == indexed


@pytest.mark.parametrize(
    "text", ["rating:stars", ":number", 'a"b', "a,a:number", ",".join(f"k{n}" for n in range(17))]
)
def test_keys_that_cannot_be_stop_the_start_and_name_the_setting(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SETTING, text)
    with pytest.raises(SystemExit):
        load_settings(SearchSettings)
    assert capsys.readouterr().err.startswith(SETTING)


def test_the_setting_reaches_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "album, rating:number")
    options = load_settings(SearchSettings).engine_options
    assert options.indexed_metadata == {"album": "text", "rating": "number"}
