"""Peers of the worker that live in this process, and can be away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from viewfinder.errors import (
    BrokenImage,
    EncoderMismatch,
    InternalError,
    ServiceUnavailable,
    ViewfinderError,
)
from viewfinder.pictures import PdfPage, PixelSpec, ReadWord, Source
from viewfinder.v1 import catalog_pb2, common_pb2, search_pb2
from worker.abilities import Abilities
from worker.batch import BatchLimits, BatchRunner, StopSignal
from worker.decoding import Decoder
from worker.indexing import Indexer
from worker.peers import Encoder
from worker.reading import TextReader

SIZE = 4


@dataclass
class FakeCatalog:
    claim_response: catalog_pb2.ClaimWorkResponse = field(
        default_factory=catalog_pb2.ClaimWorkResponse
    )
    gone: list[str] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    reports: list[tuple[str, list[catalog_pb2.WorkResult]]] = field(default_factory=list)
    errors: list[ViewfinderError] = field(default_factory=list)  # raised by the next reports
    switched: common_pb2.EncoderSpec | None = None  # by the last report
    dropped: common_pb2.EncoderSpec | None = None  # the same
    abilities: Abilities | None = None  # of the last claim

    def claim(
        self, claim_id: str, limit: int, lease_s: int, abilities: Abilities
    ) -> catalog_pb2.ClaimWorkResponse:
        self.claims.append(claim_id)
        self.abilities = abilities
        return self.claim_response

    def report(
        self,
        claim_id: str,
        results: Sequence[catalog_pb2.WorkResult],
        switched: common_pb2.EncoderSpec | None = None,
        dropped: common_pb2.EncoderSpec | None = None,
    ) -> list[str]:
        if self.errors:
            raise self.errors.pop(0)
        self.switched, self.dropped = switched, dropped
        self.reports.append((claim_id, list(results)))
        return self.gone

    def outcomes(self) -> dict[str, str]:
        """Id -> outcome in words, of all that was reported."""
        name = catalog_pb2.WorkResult.Outcome.Name
        return {
            result.id: name(result.outcome).removeprefix("OUTCOME_")
            for _, results in self.reports
            for result in results
        }

    def texts(self) -> dict[str, common_pb2.ReadText | None]:
        """Id -> the text that was reported with it."""
        return {
            result.id: result.text if result.HasField("text") else None
            for _, results in self.reports
            for result in results
        }

    def reason(self, image_id: str) -> str:
        return next(r.reason for _, results in self.reports for r in results if r.id == image_id)


class FakePixels:
    """Every original is one byte; all its pixels have that value. `bad` cannot be decoded. What
    stands on a page is its text layer in `layers`, by its number."""

    def __init__(self) -> None:
        self.bad: set[bytes] = set()
        self.layers: dict[int, str] = {}
        self.asked_for_text: list[int] = []
        self.broken_layers = False

    def prepare(self, source: Source, spec: PixelSpec, file_name: str = "") -> NDArray[np.uint8]:
        value = self._value(source, file_name)
        if spec.resize_mode == "within":
            return np.full((spec.multiple, spec.multiple * value, 3), value, np.uint8)
        return np.full((spec.size, spec.size, 3), value, np.uint8)

    def pixels(
        self, source: Source, max_side: int = 2000, file_name: str = ""
    ) -> NDArray[np.uint8]:
        return np.full((2, 3, 3), self._value(source, file_name), np.uint8)

    def render(self, source: Source, width: int, format: str, file_name: str = "") -> bytes:  # noqa: A002
        return bytes([self._value(source, file_name), width % 256])

    def page_text(self, page: PdfPage, file_name: str = "") -> list[ReadWord]:
        self.asked_for_text.append(page.page)
        if self.broken_layers:
            raise BrokenImage(file_name=file_name, reason="its text layer is torn")
        return words(self.layers.get(page.page, ""))

    def _value(self, source: Source, file_name: str) -> int:
        file = source.file if isinstance(source, PdfPage) else source
        content = file.read_bytes() if isinstance(file, Path) else file
        if content in self.bad:
            raise BrokenImage(file_name=file_name, reason="it is torn")
        return content[0]


def words(text: str) -> list[ReadWord]:
    """So many words, somewhere, a line a line."""
    return [
        ReadWord(word, 0.1, 0.2, 0.3, 0.4, number)
        for number, line in enumerate(text.splitlines())
        for word in line.split()
    ]


class FakeOriginals:
    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.error: Exception | None = None

    def source(self, record: catalog_pb2.ImageRecord) -> Source:
        if self.error is not None:
            raise self.error
        if record.blob_key not in self.contents:
            raise FileNotFoundError(record.blob_key)
        content = self.contents[record.blob_key]
        return PdfPage(content, record.page) if record.page else content


class FakeEmbedder:
    """A vector is (pixel value, 1). It is away while `away`, and trips over values in `cursed`."""

    def __init__(self) -> None:
        self.revision = "one"
        self.size = SIZE
        self.max_batch = 32
        self.away = False
        self.cursed: set[int] = set()
        self.batches: list[int] = []
        self.asked_for_spec = 0
        self.asked_for: list[str] = []
        self.texts: dict[int, str] = {}  # what stands in a picture, by its value
        self.reading_error: ViewfinderError | None = None
        self.pages = common_pb2.EncoderSpec(  # of the document encoder
            name="pages",
            revision="p1",
            kind="multivector",
            dim=2,
            pixels=common_pb2.PixelSpec(
                resize_mode="within", interpolation="bicubic", multiple=2, max_pixels=64
            ),
        )

    def encoder(self, name: str) -> Encoder:
        self.asked_for_spec += 1
        self.asked_for.append(name)
        if self.away:
            raise ServiceUnavailable(service="embedding_service")
        if name == self.pages.name:
            return Encoder(self.pages, self.max_batch)
        return Encoder(
            common_pb2.EncoderSpec(
                name="fake",
                revision=self.revision,
                dim=2,
                pixels=common_pb2.PixelSpec(size=self.size),
            ),
            self.max_batch,
        )

    def embed(
        self, pictures: Sequence[NDArray[np.uint8]], encoder: Encoder
    ) -> list[NDArray[np.float32]]:
        if self.away:
            raise ServiceUnavailable(service="embedding_service")
        if encoder.is_multivector:
            self.batches.append(len(pictures))
            return [np.ones((picture.shape[1], 2), np.float32) for picture in pictures]
        if encoder.spec.revision != self.revision:
            raise EncoderMismatch(encoder.spec.revision, self.revision)
        pixels = np.stack(pictures)
        assert pixels.shape[1:] == (self.size, self.size, 3)
        values = pixels[:, 0, 0, 0]
        if self.cursed & set(values.tolist()):
            raise InternalError(request_id="r")
        self.batches.append(len(values))
        return list(np.stack([values, np.ones_like(values)], axis=1).astype(np.float32))

    def read(self, picture: NDArray[np.uint8]) -> common_pb2.ReadText:
        if self.reading_error is not None:
            raise self.reading_error
        read = words(self.texts.get(int(picture[0, 0, 0]), ""))
        return common_pb2.ReadText(
            source="ocr", reader="fake", words=[common_pb2.Word(**asdict(word)) for word in read]
        )


class FakeIndex:
    def __init__(self) -> None:
        self.points: dict[str, tuple[list[float], dict[str, object]]] = {}
        self.texts: dict[str, str] = {}
        self.matrices: dict[str, int] = {}  # how many rows it has
        self.upserts: list[int] = []
        self.deletes: list[list[str]] = []
        self.error: ViewfinderError | None = None
        self.unwelcome: set[str] = set()
        self.beside: set[str] = set()
        self.name = ""
        self.switched_to: list[common_pb2.EncoderSpec] = []
        self.dropped: list[common_pb2.EncoderSpec] = []

    def encoder_name(self) -> str:
        return self.name

    def switch(self, spec: common_pb2.EncoderSpec) -> None:
        if self.error is not None:
            raise self.error
        self.switched_to.append(spec)

    def drop(self, spec: common_pb2.EncoderSpec) -> None:
        if self.error is not None:
            raise self.error
        self.dropped.append(spec)

    def upsert(
        self,
        encoder: Encoder,
        points: Sequence[search_pb2.Point],
        vectors: Sequence[NDArray[np.float32]],
        beside: bool,
    ) -> None:
        if beside:
            self.beside |= {point.id for point in points}
        if self.error is not None:
            raise self.error
        if self.unwelcome & {point.id for point in points}:
            raise InternalError(request_id="r")
        self.upserts.append(len(points))
        for point, vector in zip(points, vectors, strict=True):
            if encoder.is_multivector:
                self.matrices[point.id] = len(vector)
                continue
            self.points[point.id] = (vector.tolist(), dict(point.payload))
            self.texts[point.id] = point.text

    def set_payload(self, points: Sequence[search_pb2.Point]) -> None:
        if self.error is not None:
            raise self.error
        for point in points:
            vector, _ = self.points[point.id]
            self.points[point.id] = (vector, dict(point.payload))
            self.texts[point.id] = point.text

    def delete(self, ids: Iterable[str]) -> None:
        if self.error is not None:
            raise self.error
        self.deletes.append(list(ids))
        for id_ in self.deletes[-1]:
            self.points.pop(id_, None)


class FakeRenditions:
    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.error: ViewfinderError | None = None

    def drop(self, ids: Iterable[str]) -> None:
        if self.error is not None:
            raise self.error
        self.dropped += ids


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class House:
    """A worker's batch runner among its peers."""

    def __init__(self) -> None:
        self.catalog = FakeCatalog()
        self.originals = FakeOriginals()
        self.pixels = FakePixels()
        self.embedder = FakeEmbedder()
        self.index = FakeIndex()
        self.renditions = FakeRenditions()
        self.clock = FakeClock()
        self.stop = StopSignal(self.clock)
        self.decoder = Decoder(self.originals, self.pixels, threads=1)
        self.indexer = Indexer(self.decoder, self.embedder, self.index, chunk_size=4)
        self.abilities = Abilities(reads=True)
        self.runner = BatchRunner(
            self.catalog,
            lambda: self.abilities,
            self.indexer,
            TextReader(self.decoder, self.embedder, self.index),
            self.index,
            self.renditions,
            self.stop,
            BatchLimits(),
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def waiting(self, count: int) -> list[str]:
        """Ids of `count` pictures that wait to be indexed; picture i is of value i + 1."""
        records = [self.record(number) for number in range(count)]
        self.catalog.claim_response.to_index.extend(records)
        return [record.id for record in records]

    def record(self, number: int) -> catalog_pb2.ImageRecord:
        self.originals.contents[f"key-{number}"] = bytes([number + 1])
        return catalog_pb2.ImageRecord(
            id=f"id-{number}",
            file_name=f"{number}.png",
            blob_key=f"key-{number}",
            version=number + 1,
        )


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
