"""Synthetic collections: unit vectors and the payload that pictures would have, batch by batch.

`uniform`: directions drawn evenly from the sphere. No encoder makes such vectors; all points are
about equally far from each other, which is the worst that an approximate index can be given.

`clustered`, the recipe:

1. There is a cluster for every 100 points, 64 to 10,000 of them. Its centre is the vector of a
   generated caption ("a red bicycle in the snow"), made by the encoder that queries are made by:
   so real queries fall into clusters, as they do in a real collection.
2. Clusters differ in size: the one of rank r gets a share proportional to r ** -0.5.
3. A point is its centre plus noise, normalised. Noise is for nine tenths of its variance Gaussian
   with the covariance of the captions' vectors (64 largest axes), so it goes where vectors of this
   encoder differ from each other, and for one tenth Gaussian in all directions. Its length is
   between 0.4 and 0.9 of the centre's, by cluster: the cosine of a point with its centre is about
   0.93 to 0.74, of two points of one cluster 0.86 to 0.55.

Of the payload, tags are the caption's words; all else is independent of the vector. `category` is
one of 50 equally frequent values, so a filter on it leaves 2 %; `size_bytes` is spread evenly, so
that a range of it leaves any share (see `share_filter`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from bench.captions import MAX_CAPTIONS, Caption, captions

FloatArray = NDArray[np.float32]
Kind = Literal["clustered", "uniform"]
EmbedTexts = Callable[[Sequence[str]], FloatArray]

BATCH = 4096
CATEGORIES = tuple(f"category-{number:02}" for number in range(50))
_POINTS_A_CLUSTER = 100
_MIN_CLUSTERS, _MAX_CLUSTERS = 64, 10_000
_AXES = 64
_ISOTROPIC_VARIANCE = 0.1
_NOISE = (0.4, 0.9)
_EMBEDDED_AT_ONCE = 32
_LEAST_BYTES, _MOST_BYTES = 50_000, 10_050_000
_BEGIN = datetime(2015, 1, 1, tzinfo=UTC)
_SECONDS = 10 * 365 * 24 * 3600
_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic")
_SIZES = ((4032, 3024), (3024, 4032), (1920, 1080), (1080, 1920), (6000, 4000), (800, 600))
_CAMERAS = ("Canon EOS 90D", "NIKON D750", "Apple iPhone 15", "Google Pixel 8", "SONY ILCE-7M4", "")
_EVENTS = ("wedding", "holiday", "work", "birthday", "concert", "everyday")


@dataclass(frozen=True)
class Recipe:
    """Names a synthetic collection: the same recipe gives the same points. `words`: an index of
    them finds them by file name, folder, tags, camera and event, too."""

    count: int
    dim: int
    kind: Kind = "clustered"
    seed: int = 0
    words: bool = True


@dataclass(frozen=True)
class SyntheticPoint:
    """A picture that does not exist."""

    id: UUID
    payload: dict[str, Any]

    @property
    def text(self) -> str:
        """What it is found by word with, as the worker puts it together for a picture."""
        payload = self.payload
        return "\n".join(
            [
                payload["file_name"],
                payload["file_path"],
                *payload["tags"],
                payload.get("camera", ""),
                payload["metadata"]["event"],
            ]
        )


@dataclass(frozen=True)
class Batch:
    """`vectors` float32 [n, dim], every row of length 1; row i belongs to points[i]."""

    points: list[SyntheticPoint]
    vectors: FloatArray


class SyntheticCollection:
    """`embed_texts` makes vectors [n, recipe.dim] of the captions; `uniform` does not call it."""

    def __init__(self, recipe: Recipe, embed_texts: EmbedTexts) -> None:
        self.recipe = recipe
        wanted = min(max(recipe.count // _POINTS_A_CLUSTER, _MIN_CLUSTERS), _MAX_CLUSTERS)
        self._captions = captions(min(wanted, MAX_CAPTIONS), recipe.seed)
        self._clusters: _Clusters | None = None
        if recipe.kind == "clustered":
            self._clusters = _Clusters(_embedded(self._captions, embed_texts), recipe.seed)

    def batches(self) -> Iterator[Batch]:
        """All points, BATCH at a time; memory does not grow with their number."""
        for number, start in enumerate(range(0, self.recipe.count, BATCH)):
            random = np.random.default_rng((self.recipe.seed, 1, number))
            yield self._batch(start, min(BATCH, self.recipe.count - start), random)

    def samples(self, count: int) -> FloatArray:
        """Vectors [count, dim] drawn as those of the points are, but not among them."""
        random = np.random.default_rng((self.recipe.seed, 2))
        return self._vectors(self._members(count, random), random)

    def _batch(self, start: int, count: int, random: np.random.Generator) -> Batch:
        members = self._members(count, random)
        vectors = self._vectors(members, random)
        described = [self._captions[member] for member in members]
        return Batch(_points(start, described, random), vectors)

    def _members(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        clusters = len(self._captions)
        share = np.arange(1, clusters + 1) ** -0.5
        return random.choice(clusters, count, p=share / share.sum())

    def _vectors(self, members: NDArray[np.int64], random: np.random.Generator) -> FloatArray:
        if self._clusters is not None:
            return self._clusters.draw(members, random)
        return _unit(random.standard_normal((len(members), self.recipe.dim), np.float32))


class _Clusters:
    """Centres [clusters, dim], and how points spread around them."""

    def __init__(self, centres: FloatArray, seed: int) -> None:
        self._centres = centres
        around = centres - centres.mean(0)
        _, scale, axes = np.linalg.svd(around, full_matrices=False)
        scaled = scale[:_AXES, None] * axes[:_AXES]
        # Noise of variance 1 in all: what is drawn from it has a length of about 1.
        self._spread = (scaled / np.sqrt((scaled**2).sum())).astype(np.float32)
        self._noise = np.random.default_rng((seed, 3)).uniform(*_NOISE, len(centres))

    def draw(self, members: NDArray[np.int64], random: np.random.Generator) -> FloatArray:
        """A point of each of these clusters [n, dim]."""
        count, dim = len(members), self._centres.shape[1]
        along = random.standard_normal((count, len(self._spread)), np.float32) @ self._spread
        around = random.standard_normal((count, dim), np.float32)
        noise = np.float32((1 - _ISOTROPIC_VARIANCE) ** 0.5) * along
        noise += np.float32((_ISOTROPIC_VARIANCE / dim) ** 0.5) * around
        noise *= self._noise[members, None].astype(np.float32)
        return _unit(self._centres[members] + noise)


def share_filter(percent: float) -> dict[str, Any]:
    """A search filter that so many percent of a synthetic collection meet."""
    span = _MOST_BYTES - _LEAST_BYTES
    return {"size_bytes": {"lt": round(_LEAST_BYTES + span * percent / 100)}}


def category_filter() -> dict[str, Any]:
    """A filter by equality that 2 % meet."""
    return {"category": CATEGORIES[0]}


def _points(
    start: int, described: Sequence[Caption], random: np.random.Generator
) -> list[SyntheticPoint]:
    count = len(described)
    categories = random.integers(0, len(CATEGORIES), count).tolist()
    sizes = random.integers(_LEAST_BYTES, _MOST_BYTES, count).tolist()
    shapes = random.integers(0, len(_SIZES), count).tolist()
    types = random.choice(len(_MEDIA_TYPES), count, p=(0.7, 0.15, 0.1, 0.05)).tolist()
    taken = random.integers(0, _SECONDS, count).tolist()
    cameras = random.integers(0, len(_CAMERAS), count).tolist()
    latitudes = random.uniform(-60, 70, count).round(5).tolist()
    longitudes = random.uniform(-180, 180, count).round(5).tolist()
    ratings = random.integers(1, 6, count).tolist()
    events = random.integers(0, len(_EVENTS), count).tolist()
    raw = random.bytes(16 * count)
    points = []
    for i, caption in enumerate(described):
        suffix = _MEDIA_TYPES[types[i]].removeprefix("image/")
        moment = _BEGIN + timedelta(seconds=taken[i])
        width, height = _SIZES[shapes[i]]
        payload: dict[str, Any] = {
            "file_name": f"{caption.tags[1].replace(' ', '-')}-{start + i:08}.{suffix}",
            "file_path": f"/pictures/{moment.year}/{moment.month:02}",
            "tags": list(caption.tags),
            "category": CATEGORIES[categories[i]],
            "media_type": _MEDIA_TYPES[types[i]],
            "size_bytes": sizes[i],
            "width": width,
            "height": height,
            "taken_at": _rfc3339(moment),
            "uploaded_at": _rfc3339(moment + timedelta(days=30)),
            "metadata": {"rating": ratings[i], "event": _EVENTS[events[i]]},
        }
        if _CAMERAS[cameras[i]]:
            payload["camera"] = _CAMERAS[cameras[i]]
            payload["location"] = {"lat": latitudes[i], "lon": longitudes[i]}
        points.append(SyntheticPoint(UUID(bytes=raw[16 * i : 16 * i + 16], version=4), payload))
    return points


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _embedded(described: Sequence[Caption], embed_texts: EmbedTexts) -> FloatArray:
    texts = [caption.text for caption in described]
    parts = [
        embed_texts(texts[start : start + _EMBEDDED_AT_ONCE])
        for start in range(0, len(texts), _EMBEDDED_AT_ONCE)
    ]
    return np.concatenate(parts)


def _unit(vectors: FloatArray) -> FloatArray:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
