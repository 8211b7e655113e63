"""Collections on a Qdrant server: one for each encoder, an alias that moves, several replicas."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as wire
from qdrant_client import models

from search_service.encoder_binding import EncoderSpec
from search_service.engine_options import EngineOptions
from search_service.epoch import ClockEpoch
from search_service.filters import FILTER_KEYS, parse_filters
from search_service.server_collections import ServerCollections
from search_service.server_connection import connect
from search_service.server_index import ServerIndex
from search_service.server_options import ServerAddress, ServerLayout
from search_service.vector_index import IndexFault, IndexQuery, IndexUnusable
from tests.search_service.engines import quiet_local_mode
from tests.search_service.points import DIM, SPEC, ids_of, point, some_points
from tests.search_service.qdrant_protocol_stub import QdrantStub
from viewfinder.errors import EncoderMismatch, InvalidRequest, ServiceUnavailable

NEXT = dataclasses.replace(SPEC, name="Next Encoder", revision="r2", dim=2 * DIM)
OPTIONS = EngineOptions(
    m=24,
    ef_construct=300,
    ef=99,
    oversampling=3.0,
    scan_points=64,
    indexed_metadata={"a.b": "number"},
)
INDEXED = {*FILTER_KEYS, 'metadata."a.b"', 'metadata."a"."b"'}
LAYOUT = ServerLayout(shards=6, replicas=3, write_consistency=2)

OpenReplica = Callable[[], Awaitable[ServerCollections]]


@pytest.fixture
async def stub() -> AsyncIterator[QdrantStub]:
    stub = QdrantStub()
    await stub.start()
    with quiet_local_mode():
        yield stub
    await stub.stop()


@pytest.fixture
async def unopened(stub: QdrantStub) -> AsyncIterator[Callable[..., ServerCollections]]:
    """Replicas of the service that have not looked at the server yet."""
    async with AsyncExitStack() as stack:

        def make(name: str = "pictures", options: EngineOptions = OPTIONS) -> ServerCollections:
            connection = connect(ServerAddress("127.0.0.1", stub.port))
            replica = ServerCollections(connection, name, ClockEpoch(), options, LAYOUT)
            stack.push_async_callback(replica.close)
            return replica

        yield make


@pytest.fixture
async def replica(unopened: Callable[..., ServerCollections]) -> OpenReplica:
    """Opens one more replica of the service."""

    async def opened() -> ServerCollections:
        replica = unopened()
        await replica.open()
        return replica

    return opened


@pytest.fixture
async def collections(replica: OpenReplica) -> ServerCollections:
    return await replica()


async def fill(collections: ServerCollections, spec: EncoderSpec, count: int) -> None:
    points, vectors = some_points(count)
    wide = np.hstack([vectors] * (spec.dim // DIM))
    await collections.upsert(spec, points, wide, beside=collections.active.spec is not None)


async def found(collections: ServerCollections, spec: EncoderSpec) -> list[int]:
    vector = np.hstack([some_points(1)[1][0]] * (spec.dim // DIM))
    hits, _ = await collections.active.search(spec, IndexQuery(vector, 100))
    return ids_of(hits)


async def names_on(stub: QdrantStub) -> set[str]:
    return {one.name for one in (await stub.local.get_collections()).collections}


async def test_a_new_server_is_empty_and_answers_nothing(collections: ServerCollections) -> None:
    assert collections.active.spec is None
    assert await found(collections, SPEC) == []
    assert await collections.delete([point(1).id]) > 0
    [state] = await collections.states()
    assert (state.spec, state.info.points) == (None, 0)


async def test_the_first_vectors_make_a_collection_as_the_settings_say(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await fill(collections, SPEC, 3)
    asked: wire.CreateCollection = stub.requests["Create"]
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
    [name] = await names_on(stub)
    assert set(stub.payload_indexes[name]) == INDEXED
    assert stub.payload_indexes[name]['metadata."a.b"'] == models.PayloadSchemaType.FLOAT
    assert stub.payload_indexes[name]["taken_at"] == models.PayloadSchemaType.DATETIME


async def test_without_quantisation_and_shards_the_server_is_left_to_itself(
    stub: QdrantStub,
) -> None:
    connection = connect(ServerAddress("127.0.0.1", stub.port))
    index = ServerIndex(connection, "plain", EngineOptions(int8=False, vectors_on_disk=True))
    await index.create(DIM)
    asked: wire.CreateCollection = stub.requests["Create"]
    assert not asked.HasField("quantization_config")
    assert not asked.HasField("shard_number")
    assert asked.vectors_config.params.on_disk
    await connection.close()


async def test_a_search_asks_for_rescoring_and_widens_itself_for_a_filter(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    points, vectors = some_points(200)
    tagged = [point(p.id.int, tags=["odd"] if p.id.int % 2 else ["even"]) for p in points]
    await collections.upsert(SPEC, tagged, vectors, beside=False)
    search = collections.active.search

    await search(SPEC, IndexQuery(vectors[0], 5))
    params = stub.requests["Query"].params
    assert (params.hnsw_ef, params.quantization.rescore) == (99, True)
    assert params.quantization.oversampling == pytest.approx(3.0)
    await search(SPEC, IndexQuery(vectors[0], 5, parse_filters({"tags": "odd"})))
    assert stub.requests["Query"].params.hnsw_ef == 99  # half of them: no need to widen
    await search(SPEC, IndexQuery(vectors[0], 5, parse_filters({"file_name": "none"})))
    assert stub.requests["Query"].params.exact
    await search(SPEC, IndexQuery(vectors[0], 5, exact=True))
    assert stub.requests["Query"].params.exact
    assert not stub.requests["Query"].params.HasField("quantization")


async def test_every_write_waits_until_the_server_has_it(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await fill(collections, SPEC, 3)
    await collections.set_payload([point(1, tags=["new"])])
    await collections.delete([point(2).id])
    assert all(stub.requests[call].wait for call in ("Upsert", "UpdateBatch", "Delete"))


async def test_many_points_travel_in_messages_that_a_server_takes(
    collections: ServerCollections, stub: QdrantStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search_service.server_index._MESSAGE_NUMBERS", 10 * DIM)
    await fill(collections, SPEC, 25)
    assert stub.asked.count("Upsert") == 3
    assert len(await found(collections, SPEC)) == 25


async def test_a_collection_that_lacks_a_payload_index_is_given_one(
    collections: ServerCollections, stub: QdrantStub, replica: OpenReplica
) -> None:
    await fill(collections, SPEC, 1)
    [name] = await names_on(stub)
    del stub.payload_indexes[name]["camera"]  # killed half way, or made by an older version
    await replica()
    assert set(stub.payload_indexes[name]) == INDEXED


async def test_what_the_server_does_in_the_background_is_told(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await fill(collections, SPEC, 5)
    info = (await collections.states())[0].info
    assert (info.points, info.indexed, info.building) == (5, False, "")
    stub.indexed = 3
    stub.status = models.CollectionStatus.YELLOW
    info = (await collections.states())[0].info
    assert info.indexed
    assert "3 vectors are in the graph" in info.building


async def test_another_encoders_vectors_lie_beside_and_change_no_answer(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 5)
    assert len(await found(collections, SPEC)) == 3
    assert [(s.spec, s.info.points) for s in await collections.states()] == [(SPEC, 3), (NEXT, 5)]
    assert sorted(name.rpartition("-")[0] for name in await names_on(stub)) == [
        "pictures-histogram",
        "pictures-next-encoder",
    ]


async def test_not_asked_to_lie_beside_they_are_refused(collections: ServerCollections) -> None:
    await fill(collections, SPEC, 3)
    points, vectors = some_points(3)
    with pytest.raises(EncoderMismatch):
        await collections.upsert(NEXT, points, np.hstack([vectors, vectors]), beside=False)


async def test_an_index_without_pictures_takes_another_encoder(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await collections.prepare(SPEC)
    points, vectors = some_points(3)
    await collections.upsert(NEXT, points, np.hstack([vectors, vectors]), beside=False)
    assert len(await found(collections, NEXT)) == 3
    assert len(await names_on(stub)) == 1


async def test_after_a_switch_the_other_one_answers_also_after_a_restart(
    collections: ServerCollections, replica: OpenReplica
) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 5)
    before = (await collections.active.state()).epoch
    assert await collections.switch(NEXT) > before
    await collections.switch(NEXT)
    assert len(await found(collections, NEXT)) == 5
    again = await replica()
    assert len(await found(again, NEXT)) == 5
    assert [state.spec for state in await again.states()] == [NEXT, SPEC]


async def test_a_switch_is_one_request_that_moves_the_alias(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 3)
    stub.asked.clear()
    await collections.switch(NEXT)
    assert stub.asked.count("UpdateAliases") == 1
    actions = stub.requests["UpdateAliases"].actions
    assert [action.WhichOneof("action") for action in actions] == ["delete_alias", "create_alias"]


async def test_a_search_on_another_replica_never_answers_from_before_a_switch(
    collections: ServerCollections, replica: OpenReplica
) -> None:
    await fill(collections, SPEC, 3)
    other = await replica()
    assert len(await found(other, SPEC)) == 3
    await fill(collections, NEXT, 5)
    await collections.switch(NEXT)
    with pytest.raises(ServiceUnavailable):  # which its caller asks again
        await found(other, SPEC)
    assert len(await found(other, NEXT)) == 5


async def test_a_write_on_another_replica_goes_where_searches_look(
    collections: ServerCollections, replica: OpenReplica
) -> None:
    await fill(collections, SPEC, 3)
    other = await replica()
    await fill(collections, NEXT, 3)
    await collections.switch(NEXT)
    points, vectors = some_points(4)
    with pytest.raises(EncoderMismatch):
        await other.upsert(SPEC, points, vectors, beside=False)
    await other.upsert(NEXT, points, np.hstack([vectors, vectors]), beside=False)
    assert len(await found(collections, NEXT)) == 4


async def test_deletions_and_payloads_reach_collections_that_others_have_made(
    collections: ServerCollections, replica: OpenReplica
) -> None:
    await fill(collections, SPEC, 3)
    other = await replica()
    await fill(collections, NEXT, 3)
    await other.delete([point(1).id])
    await other.set_payload([point(2, file_name="new.jpg")])
    await collections.switch(NEXT)
    vector = np.hstack([some_points(1)[1][0]] * 2)
    hits, _ = await collections.active.search(NEXT, IndexQuery(vector, 100))
    assert {hit.id.int: hit.payload["file_name"] for hit in hits} == {2: "new.jpg", 3: "3.jpg"}


async def test_two_replicas_that_meet_an_empty_server_make_one_collection(
    collections: ServerCollections, replica: OpenReplica, stub: QdrantStub
) -> None:
    other = await replica()
    points, vectors = some_points(10)
    await asyncio.gather(
        collections.upsert(SPEC, points[:5], vectors[:5], beside=False),
        other.upsert(SPEC, points[5:], vectors[5:], beside=False),
    )
    assert len(await names_on(stub)) == 1
    assert len(await found(other, SPEC)) == 10


async def test_a_dropped_collection_is_gone_from_the_server(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 3)
    with pytest.raises(InvalidRequest):
        await collections.drop(SPEC)
    await collections.drop(NEXT)
    await collections.drop(NEXT)  # what is not there is passed over
    assert len(await names_on(stub)) == 1
    assert len(await found(collections, SPEC)) == 3
    assert [state.spec for state in await collections.states()] == [SPEC]


async def test_a_collection_that_another_replica_dropped_and_made_again_takes_vectors(
    collections: ServerCollections, replica: OpenReplica
) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 3)
    other = await replica()
    await other.states()
    await collections.drop(NEXT)
    await other.delete([point(1).id])
    await fill(other, NEXT, 2)
    assert [s.info.points for s in await collections.states()] == [2, 2]


async def test_collections_of_others_on_the_same_server_are_left_alone(
    collections: ServerCollections,
    stub: QdrantStub,
    unopened: Callable[..., ServerCollections],
) -> None:
    await stub.local.create_collection("pictures-of-mine", vectors_config={})
    longer = unopened("pictures-histogram")
    await longer.open()
    await fill(longer, SPEC, 2)
    await fill(collections, SPEC, 3)
    await collections.delete([point(1).id])
    assert len(await found(longer, SPEC)) == 2
    assert len(await collections.states()) == 1


@pytest.mark.parametrize("taken_by", ["collection", "alias"])
async def test_a_name_that_is_taken_stops_the_start(
    unopened: Callable[..., ServerCollections], stub: QdrantStub, taken_by: str
) -> None:
    name = "pictures" if taken_by == "collection" else "theirs"
    await stub.local.create_collection(name, vectors_config={})
    if taken_by == "alias":
        create = models.CreateAlias(collection_name=name, alias_name="pictures")
        await stub.local.update_collection_aliases(
            [models.CreateAliasOperation(create_alias=create)]
        )
    with pytest.raises(IndexUnusable, match="choose another QDRANT_COLLECTION"):
        await unopened().open()


async def test_nothing_answers_before_the_server_was_met(
    unopened: Callable[..., ServerCollections],
) -> None:
    replica = unopened()
    with pytest.raises(ServiceUnavailable):
        _ = replica.active
    with pytest.raises(ServiceUnavailable):
        await replica.delete([point(1).id])


async def test_caches_are_told_before_a_write_is_acknowledged_and_when_it_fails(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    told: list[int] = []

    async def tell() -> None:
        told.append(stub.asked.count("Upsert"))

    collections.tell_caches = tell
    await fill(collections, SPEC, 1)
    assert told == [1]
    stub.failing, stub.fail_with = "Upsert", [(grpc.StatusCode.INTERNAL, "half of it is written")]
    with pytest.raises(IndexFault):
        await fill(collections, SPEC, 1)
    assert told == [1, 2]
    await fill(collections, NEXT, 1)
    assert told == [1, 2]  # nobody finds what lies beside
    await collections.switch(NEXT)
    await collections.delete([point(1).id])
    assert len(told) == 4


async def test_looks_of_searches_at_the_same_time_are_shared(
    collections: ServerCollections, stub: QdrantStub
) -> None:
    await fill(collections, SPEC, 3)
    stub.asked.clear()
    await asyncio.gather(*(found(collections, SPEC) for _ in range(20)))
    assert stub.asked.count("Query") == 20
    assert stub.asked.count("ListAliases") <= 3


def test_the_epoch_of_a_process_without_files_grows_faster_than_its_clock() -> None:
    epoch = ClockEpoch()
    values = [epoch.bump() for _ in range(10_000)]
    assert sorted(set(values)) == values
    assert epoch.value == values[-1]
    assert ClockEpoch().value > values[0]
