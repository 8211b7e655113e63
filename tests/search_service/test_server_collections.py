"""Collections on a Qdrant server: one for each encoder, an alias that moves, several replicas."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as wire
from qdrant_client import models

from search_service.engine_options import EngineOptions
from search_service.epoch import ClockEpoch
from search_service.filters import parse_filters
from search_service.server_collections import ServerCollections
from search_service.server_connection import connect
from search_service.server_index import ServerIndex
from search_service.server_options import ServerAddress
from search_service.vector_index import IndexFault, IndexQuery
from tests.search_service.points import DIM, SPEC, point, some_points
from tests.search_service.qdrant_protocol_stub import QdrantStub
from tests.search_service.server_replicas import INDEXED, NEXT, OpenReplica, fill, found, names_on
from viewfinder.errors import EncoderMismatch, InvalidRequest


async def test_a_new_server_is_empty_and_answers_nothing(
    server_collections: ServerCollections,
) -> None:
    assert server_collections.active.spec is None
    assert await found(server_collections, SPEC) == []
    assert await server_collections.delete([point(1).id]) > 0
    [state] = await server_collections.states()
    assert (state.spec, state.info.points) == (None, 0)


async def test_the_first_vectors_make_a_collection_as_the_settings_say(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await fill(server_collections, SPEC, 3)
    asked: wire.CreateCollection = qdrant.requests["Create"]
    vectors = asked.vectors_config.params
    assert (vectors.size, vectors.distance, vectors.on_disk) == (DIM, wire.Distance.Cosine, False)
    assert (asked.hnsw_config.m, asked.hnsw_config.ef_construct) == (24, 300)
    assert asked.hnsw_config.full_scan_threshold == 64 * DIM * 4 // 1024
    scalar = asked.quantization_config.scalar
    assert scalar.type == wire.QuantizationType.Int8
    assert scalar.always_ram
    assert scalar.quantile == pytest.approx(0.99)
    assert (asked.shard_number, asked.replication_factor, asked.write_consistency_factor) == (
        (6, 3, 2)
    )
    assert asked.sparse_vectors_config.map["words"].modifier == wire.Modifier.Idf
    assert not asked.strict_mode_config.enabled
    [name] = await names_on(qdrant)
    assert set(qdrant.payload_indexes[name]) == INDEXED
    assert qdrant.payload_indexes[name]['metadata."a.b"'] == models.PayloadSchemaType.FLOAT
    assert qdrant.payload_indexes[name]["taken_at"] == models.PayloadSchemaType.DATETIME


async def test_without_quantisation_and_shards_the_server_is_left_to_itself(
    qdrant: QdrantStub,
) -> None:
    connection = connect(ServerAddress("127.0.0.1", qdrant.port))
    index = ServerIndex(connection, "plain", EngineOptions(int8=False, vectors_on_disk=True))
    await index.create(DIM)
    asked: wire.CreateCollection = qdrant.requests["Create"]
    assert not asked.HasField("quantization_config")
    assert not asked.HasField("shard_number")
    assert asked.vectors_config.params.on_disk
    await connection.close()


async def test_a_search_asks_for_rescoring_and_widens_itself_for_a_filter(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    points, vectors = some_points(200)
    tagged = [point(p.id.int, tags=["odd"] if p.id.int % 2 else ["even"]) for p in points]
    await server_collections.upsert(SPEC, tagged, vectors, beside=False)
    search = server_collections.active.search

    await search(SPEC, IndexQuery(vectors[0], 5))
    params = qdrant.requests["Query"].params
    assert (params.hnsw_ef, params.quantization.rescore) == (99, True)
    assert params.quantization.oversampling == pytest.approx(3.0)
    await search(SPEC, IndexQuery(vectors[0], 5, parse_filters({"tags": "odd"})))
    assert qdrant.requests["Query"].params.hnsw_ef == 99  # half of them: no need to widen
    await search(SPEC, IndexQuery(vectors[0], 5, parse_filters({"file_name": "none"})))
    assert qdrant.requests["Query"].params.exact
    await search(SPEC, IndexQuery(vectors[0], 5, exact=True))
    assert qdrant.requests["Query"].params.exact
    assert not qdrant.requests["Query"].params.HasField("quantization")


async def test_every_write_waits_until_the_server_has_it(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await fill(server_collections, SPEC, 3)
    await server_collections.set_payload([point(1, tags=["new"])])
    await server_collections.delete([point(2).id])
    assert all(qdrant.requests[call].wait for call in ("Upsert", "UpdateBatch", "Delete"))


async def test_many_points_travel_in_messages_that_a_server_takes(
    server_collections: ServerCollections, qdrant: QdrantStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search_service.server_index._MESSAGE_NUMBERS", 10 * DIM)
    await fill(server_collections, SPEC, 25)
    assert qdrant.asked.count("Upsert") == 3
    assert len(await found(server_collections, SPEC)) == 25


async def test_a_collection_that_lacks_a_payload_index_is_given_one(
    server_collections: ServerCollections, qdrant: QdrantStub, open_replica: OpenReplica
) -> None:
    await fill(server_collections, SPEC, 1)
    [name] = await names_on(qdrant)
    del qdrant.payload_indexes[name]["camera"]  # killed half way, or made by an older version
    await open_replica()
    assert set(qdrant.payload_indexes[name]) == INDEXED


async def test_what_the_server_does_in_the_background_is_told(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await fill(server_collections, SPEC, 5)
    info = (await server_collections.states())[0].info
    assert (info.points, info.indexed, info.building) == (5, False, "")
    qdrant.indexed = 3
    qdrant.status = models.CollectionStatus.YELLOW
    info = (await server_collections.states())[0].info
    assert info.indexed
    assert "3 vectors are in the graph" in info.building


async def test_another_encoders_vectors_lie_beside_and_change_no_answer(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await fill(server_collections, SPEC, 3)
    await fill(server_collections, NEXT, 5)
    assert len(await found(server_collections, SPEC)) == 3
    assert [(s.spec, s.info.points) for s in await server_collections.states()] == [
        (SPEC, 3),
        (NEXT, 5),
    ]
    assert sorted(name.rpartition("-")[0] for name in await names_on(qdrant)) == [
        "pictures-histogram",
        "pictures-next-encoder",
    ]


async def test_not_asked_to_lie_beside_they_are_refused(
    server_collections: ServerCollections,
) -> None:
    await fill(server_collections, SPEC, 3)
    points, vectors = some_points(3)
    with pytest.raises(EncoderMismatch):
        await server_collections.upsert(NEXT, points, np.hstack([vectors, vectors]), beside=False)


async def test_an_index_without_pictures_takes_another_encoder(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await server_collections.prepare(SPEC)
    points, vectors = some_points(3)
    await server_collections.upsert(NEXT, points, np.hstack([vectors, vectors]), beside=False)
    assert len(await found(server_collections, NEXT)) == 3
    assert len(await names_on(qdrant)) == 1


async def test_a_switch_is_one_request_that_moves_the_alias(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await fill(server_collections, SPEC, 3)
    await fill(server_collections, NEXT, 3)
    qdrant.asked.clear()
    await server_collections.switch(NEXT)
    assert qdrant.asked.count("UpdateAliases") == 1
    actions = qdrant.requests["UpdateAliases"].actions
    assert [action.WhichOneof("action") for action in actions] == ["delete_alias", "create_alias"]


async def test_a_dropped_collection_is_gone_from_the_server(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await fill(server_collections, SPEC, 3)
    await fill(server_collections, NEXT, 3)
    with pytest.raises(InvalidRequest):
        await server_collections.drop(SPEC)
    await server_collections.drop(NEXT)
    await server_collections.drop(NEXT)  # what is not there is passed over
    assert len(await names_on(qdrant)) == 1
    assert len(await found(server_collections, SPEC)) == 3
    assert [state.spec for state in await server_collections.states()] == [SPEC]


async def test_caches_are_told_before_a_write_is_acknowledged_and_when_it_fails(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    told: list[int] = []

    async def tell() -> None:
        told.append(qdrant.asked.count("Upsert"))

    server_collections.tell_caches = tell
    await fill(server_collections, SPEC, 1)
    assert told == [1]
    qdrant.failing, qdrant.fail_with = (
        "Upsert",
        [(grpc.StatusCode.INTERNAL, "half of it is written")],
    )
    with pytest.raises(IndexFault):
        await fill(server_collections, SPEC, 1)
    assert told == [1, 2]
    await fill(server_collections, NEXT, 1)
    assert told == [1, 2]  # nobody finds what lies beside
    await server_collections.switch(NEXT)
    await server_collections.delete([point(1).id])
    assert len(told) == 4


def test_the_epoch_of_a_process_without_files_grows_faster_than_its_clock() -> None:
    epoch = ClockEpoch()
    values = [epoch.bump() for _ in range(10_000)]
    assert sorted(set(values)) == values
    assert epoch.value == values[-1]
    assert ClockEpoch().value > values[0]
