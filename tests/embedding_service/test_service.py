"""embedding_service as its clients see it, over gRPC."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.embedding_service.conftest import (
    DIM,
    SIZE,
    HistogramEncoder,
    picture_vector,
    some_pictures,
    text_vector,
)
from viewfinder import rpc
from viewfinder.errors import DeadlineExceeded, InvalidRequest, ViewfinderError
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc


def pixels_of(pictures: Any) -> common_pb2.Pixels:
    count, height, width, _ = pictures.shape
    return common_pb2.Pixels(data=pictures.tobytes(), count=count, height=height, width=width)


def array_of(vectors: common_pb2.Vectors) -> Any:
    return np.frombuffer(vectors.data, dtype="<f4").reshape(vectors.count, vectors.dim)


async def test_the_spec_says_how_pictures_are_wanted(stub: Any) -> None:
    answer = await stub.GetSpec(embedding_pb2.GetSpecRequest())
    assert (answer.spec.name, answer.spec.revision, answer.spec.dim) == ("histogram", "r1", DIM)
    assert (answer.spec.pixels.size, answer.spec.pixels.resize_mode) == (SIZE, "shortest")
    assert (answer.device, answer.max_batch) == ("cpu", 32)


async def test_texts_come_back_as_vectors_with_the_spec(stub: Any) -> None:
    answer = await stub.EmbedText(embedding_pb2.EmbedTextRequest(texts=["a cat", "a dog"]))
    np.testing.assert_array_equal(
        array_of(answer.vectors), [text_vector("a cat"), text_vector("a dog")]
    )
    assert answer.spec.name == "histogram"


async def test_pictures_come_back_as_vectors(stub: Any) -> None:
    pictures = some_pictures(3)
    request = embedding_pb2.EmbedImagesRequest(pixels=pixels_of(pictures))
    answer = await stub.EmbedImages(request)
    np.testing.assert_array_equal(
        array_of(answer.vectors), [picture_vector(picture) for picture in pictures]
    )


@pytest.mark.parametrize("wrong", [{"data": b"123"}, {"count": 4}, {"height": 5}, {"width": 2**31}])
async def test_pixels_that_do_not_fit_their_shape_are_refused(
    stub: Any, wrong: dict[str, Any]
) -> None:
    pixels = pixels_of(some_pictures(3))
    pixels.MergeFrom(common_pb2.Pixels(**wrong))
    with pytest.raises(InvalidRequest):
        await stub.EmbedImages(embedding_pb2.EmbedImagesRequest(pixels=pixels))


async def test_a_call_past_its_deadline_is_dropped_before_the_model(
    stub: Any, encoder: HistogramEncoder
) -> None:
    encoder.may_run.clear()
    first = asyncio.ensure_future(stub.EmbedText(embedding_pb2.EmbedTextRequest(texts=["first"])))
    await asyncio.to_thread(encoder.running.wait, 10)
    with pytest.raises(DeadlineExceeded):
        await stub.EmbedText(embedding_pb2.EmbedTextRequest(texts=["late"]), timeout=0.05)
    encoder.may_run.set()
    await first
    assert encoder.text_runs == [["first"]]


def start(data_dir: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "embedding_service"],
        env={**os.environ, "VIEWFINDER_DATA_DIR": str(data_dir), **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow  # starts the process
@pytest.mark.parametrize(
    "variable", ["VIEWFINDER_ENCODER", "VIEWFINDER_ENCODER_THREADS", "VIEWFINDER_IMAGE_BATCH"]
)
def test_a_wrong_setting_ends_the_process_with_one_line(tmp_path: Path, variable: str) -> None:
    process = start(tmp_path, **{variable: "many"})
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 2
    assert complaint.count("\n") == 1
    assert complaint.startswith(f"{variable}='many'")


@pytest.mark.slow  # starts the process with the real model
async def test_mini_finds_the_cat_and_the_process_ends_with_status_0(tmp_path: Path) -> None:
    process = start(tmp_path)
    channel = rpc.open_channel(f"unix:{tmp_path}/run/embedding.sock", "embedding_service")
    stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(channel)
    for _ in range(200):
        try:
            spec = (await stub.GetSpec(embedding_pb2.GetSpecRequest())).spec
            break
        except ViewfinderError:
            await asyncio.sleep(0.05)
    size = (spec.pixels.size, spec.pixels.size)
    skimage_data: Any = data
    samples = [skimage_data.cat(), skimage_data.coffee(), skimage_data.rocket()]
    pictures = np.stack([np.asarray(Image.fromarray(picture).resize(size)) for picture in samples])
    images = await stub.EmbedImages(embedding_pb2.EmbedImagesRequest(pixels=pixels_of(pictures)))
    texts = await stub.EmbedText(embedding_pb2.EmbedTextRequest(texts=["a cat", "a cup of coffee"]))
    cosines = array_of(texts.vectors) @ array_of(images.vectors).T
    assert cosines.argmax(axis=1).tolist() == [0, 1]
    np.testing.assert_allclose(np.linalg.norm(array_of(images.vectors), axis=1), 1, atol=1e-4)
    await channel.close()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
