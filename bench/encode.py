"""How fast an encoder is: in this process, through embedding_service, and beside open_clip."""

from __future__ import annotations

import asyncio
import io
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from bench.encode_concurrency import measure_batcher, measure_service
from bench.encode_service import RunningService, own_service
from bench.encode_texts import LENGTHS, TextMaker
from bench.encoders import EncoderChoice
from bench.figures import Figures, machine
from bench.made_pictures import made_pictures
from bench.paired import Call, Paired, time_in_turn
from embedding_service.encoders.base import Encoder, PixelArray
from viewfinder.pixels import PixelPool, PixelSpec

BATCHES = (1, 2, 4, 8, 16, 32)
JPEG_SIZE = (4000, 3000)
OURS, SERVICE, OPEN_CLIP = "in_process", "service", "open_clip"
_TEXT_CALLS = 5  # in a row
_FIRST_CALLS = 30
_FIRST_TOKENS = 9


@dataclass(frozen=True)
class Effort:
    """How much is measured: more is steadier and takes longer."""

    rounds: int = 20
    starts: int = 3
    lengths: tuple[int, ...] = LENGTHS
    batches: tuple[int, ...] = BATCHES
    jpeg_size: tuple[int, int] = JPEG_SIZE

    @property
    def picture_rounds(self) -> int:
        """Pictures take longer and vary less."""
        return max(2, self.rounds // 4)


@dataclass(frozen=True)
class Line:
    """One thing that was timed in several ways; `pictures` a call, 0 where a rate says nothing."""

    name: str
    title: str
    pictures: int
    timed: Paired

    def figures(self) -> Figures:
        """Flat: the plain name for the service, others with their way in it."""
        flat: Figures = {}
        for way in self.timed.seconds:
            name = self.name if way == SERVICE else f"{self.name}_{way}"
            ms = np.asarray(self.timed.all_of(way)) * 1e3
            flat[f"{name}_p50_ms"] = round(float(np.percentile(ms, 50)), 3)
            flat[f"{name}_p95_ms"] = round(float(np.percentile(ms, 95)), 3)
            if self.pictures:
                flat[f"{name}_per_s"] = round(self.pictures / self.timed.median_s(way), 2)
        if OPEN_CLIP in self.timed.seconds:
            for way in (OURS, SERVICE):
                name = self.name if way == SERVICE else f"{self.name}_{way}"
                flat[f"{name}_times_faster"] = round(self.timed.times_faster(way, OPEN_CLIP), 2)
        return flat


@dataclass(frozen=True)
class Encoded:
    """All that was measured."""

    title: str
    lines: tuple[Line, ...]
    rest: Figures

    def figures(self) -> Figures:
        """One flat object."""
        flat: Figures = {}
        for line in self.lines:
            flat |= line.figures()
        return {**self.rest, **flat, **machine()}


@dataclass(frozen=True)
class Ways:
    """Who embeds. `by_file` is for whole files."""

    texts: Mapping[str, Callable[[list[str]], object]]
    pictures: Mapping[str, Callable[[PixelArray], object]]
    by_file: Mapping[str, Callable[[Path], object]]


def measure_encode(
    choice: EncoderChoice,
    console: Console,
    effort: Effort = Effort(),
    *,
    against_open_clip: bool = False,
    checkpoint: Path | None = None,
) -> Encoded:
    """Measure an encoder.

    Raises:
        EncoderProblem: it does not start, or open_clip cannot be put beside it.
    """
    encoder = choice.load()
    rest: Figures = {
        "encoder": choice.title,
        "revision": encoder.spec.revision,
        "device": encoder.device,
        "threads": choice.settings.encoder_threads,
    }
    with console.status("starting") as status, PixelPool() as pool:
        ways = _ways_here(encoder, pool)
        if against_open_clip:
            status.update("open_clip: loading the same weights")
            ways = _with_open_clip(ways, choice, encoder, checkpoint, rest)
        status.update("starts of embedding_service")
        firsts = []
        for number in range(effort.starts):
            with own_service(choice) as service:
                rest["memory_ready_mb"] = round(service.rss_mb(), 1)
                firsts.append(_first_query(service))
                if number == effort.starts - 1:
                    ways = _with_service(ways, encoder.spec.pixels, pool, service)
                    lines = tuple(_timed(ways, encoder, effort, status.update))
                    status.update("texts of concurrent callers")
                    rest |= asyncio.run(measure_batcher(encoder, choice.settings, effort.rounds))
                    rest |= asyncio.run(measure_service(service, effort.rounds))
                    rest["memory_mb"] = round(service.rss_mb(), 1)
                    rest["service_has_torch"] = int(service.has_torch())
    startup_s, first_ms, times_median = np.array(firsts).T
    rest |= {
        "starts": effort.starts,
        "start_s": round(float(np.median(startup_s)), 3),
        "first_text_ms": round(float(np.median(first_ms)), 3),
        "first_text_to_median": round(float(np.median(times_median)), 2),
        "first_text_to_median_max": round(float(times_median.max()), 2),
    }
    return Encoded(choice.title, lines, rest)


def _ways_here(encoder: Encoder, pool: PixelPool) -> Ways:
    def whole(path: Path) -> object:
        return encoder.embed_images(pool.prepare(path, encoder.spec.pixels)[None])

    return Ways({OURS: encoder.embed_texts}, {OURS: encoder.embed_images}, {OURS: whole})


def _with_service(ways: Ways, spec: PixelSpec, pool: PixelPool, service: RunningService) -> Ways:
    def whole(path: Path) -> object:
        return service.embed_images(pool.prepare(path, spec)[None])

    return Ways(
        {**ways.texts, SERVICE: service.embed_texts},
        {**ways.pictures, SERVICE: service.embed_images},
        {**ways.by_file, SERVICE: whole},
    )


def _with_open_clip(
    ways: Ways, choice: EncoderChoice, encoder: Encoder, checkpoint: Path | None, rest: Figures
) -> Ways:
    from bench.encode_open_clip import measure_start, same_weights

    model, manifest, weights = same_weights(choice, encoder, checkpoint)
    rest |= measure_start(manifest, weights)
    return Ways(
        {**ways.texts, OPEN_CLIP: model.embed_texts},
        {**ways.pictures, OPEN_CLIP: model.embed_images},
        {**ways.by_file, OPEN_CLIP: model.embed_file},
    )


def _first_query(service: RunningService) -> tuple[float, float, float]:
    """Start-up in s, the first query in ms, and that as a multiple of the median of the next."""
    texts = TextMaker(seed=1)
    one = {SERVICE: lambda: _text_call(service.embed_texts, texts, _FIRST_TOKENS)}
    first_s = _timed_once(one[SERVICE]())
    later = time_in_turn(one, 1, _FIRST_CALLS)
    return service.startup_s, first_s * 1e3, first_s / later.median_s(SERVICE)


def _timed_once(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _text_call(embed: Callable[[list[str]], object], texts: TextMaker, tokens: int) -> Call:
    text = texts.text(tokens)
    return lambda: embed([text])


def _timed(ways: Ways, encoder: Encoder, effort: Effort, say: Callable[[str], None]) -> list[Line]:
    texts = TextMaker()
    size = encoder.spec.pixels.size
    random = np.random.default_rng(0)
    lines = []
    for tokens in effort.lengths:
        say(f"texts of {tokens} tokens")
        text_ways = {
            way: lambda embed=embed, tokens=tokens: _text_call(embed, texts, tokens)
            for way, embed in ways.texts.items()
        }
        timed = time_in_turn(text_ways, effort.rounds, _TEXT_CALLS)
        lines.append(Line(f"text_{tokens}", f"text, {tokens} tokens", 0, timed))
    for batch in effort.batches:
        say(f"pictures, {batch} at once")
        pixels = random.integers(0, 256, (batch, size, size, 3), np.uint8)
        picture_ways = {
            way: lambda embed=embed, pixels=pixels: lambda: embed(pixels)
            for way, embed in ways.pictures.items()
        }
        timed = time_in_turn(picture_ways, effort.picture_rounds, max(1, 4 // batch))
        lines.append(Line(f"pictures_{batch}", f"pictures, {batch} at once", batch, timed))
    say("a large JPEG")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.jpg"
        path.write_bytes(_large_jpeg(effort.jpeg_size))
        file_ways = {
            way: lambda embed=embed: lambda: embed(path) for way, embed in ways.by_file.items()
        }
        timed = time_in_turn(file_ways, effort.picture_rounds, 2)
    megapixels = round(effort.jpeg_size[0] * effort.jpeg_size[1] / 1e6)
    title = f"JPEG, {megapixels} MP"
    lines.append(Line(f"jpeg_{megapixels}mp", title, 0, timed))
    return lines


def _large_jpeg(size: tuple[int, int]) -> bytes:
    """A photo, or soft noise where scikit-image's samples are not installed."""
    try:
        return next(made_pictures(1, *size))
    except FileNotFoundError:
        noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(
            buffer, "JPEG", quality=88
        )
        return buffer.getvalue()
