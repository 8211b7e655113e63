"""Encoders by name. A model library is imported only when its encoder is asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from embedding_service.encoders.base import Encoder
from embedding_service.encoders.widened import WidenedEncoder, widened_dim
from embedding_service.models.manifest import WEIGHTS, Manifest
from embedding_service.models.problems import ModelProblem
from embedding_service.models.store import ModelStore, hold

if TYPE_CHECKING:
    from embedding_service.settings import EmbeddingSettings

MINI = "mini"
_GPU_DRIVER = Path("/proc/driver/nvidia/version")


class UnknownEncoder(ValueError):
    """The chosen encoder cannot be had; the message is one line for whoever chose it."""


def chosen_encoder(settings: EmbeddingSettings) -> str:
    """`mini`, or the id of a model of the store: environment first, then `viewfinder models use`.

    Raises:
        UnknownEncoder: the environment names none or several.
    """
    store = ModelStore(settings.models_dir)
    if settings.encoder == MINI or widened_dim(settings.encoder):
        return settings.encoder
    if settings.encoder:
        try:
            return store.resolve(settings.encoder)
        except ModelProblem as problem:
            raise UnknownEncoder(
                f"VIEWFINDER_ENCODER={settings.encoder!r}: {problem}; {MINI} is always there"
            ) from problem
    if settings.clip_model_name:
        wanted = f"CLIP_MODEL_NAME={settings.clip_model_name!r}"
        if settings.clip_pretrained:
            wanted += f" CLIP_PRETRAINED={settings.clip_pretrained!r}"
        try:
            return store.find(settings.clip_model_name, settings.clip_pretrained)
        except ModelProblem as problem:
            raise UnknownEncoder(f"{wanted}: {problem}") from problem
    return store.active() or MINI


def load_encoder(settings: EmbeddingSettings, name: str = "") -> Encoder:
    """The encoder of this name, or else the chosen one, warmed up.

    Raises:
        UnknownEncoder: there is none of this name, it is damaged, it cannot run as the settings
            ask, or CLIP_VECTOR_DIM is not the length of its vectors.
    """
    name = name or chosen_encoder(settings)
    try:
        make = _maker(settings, name)
        encoder: Encoder
        if settings.encoder_idle_s and name != MINI:
            from embedding_service.encoders.idle import IdleUnloading

            encoder = IdleUnloading(make, settings.encoder_idle_s)
        else:
            encoder = make()
        if settings.clip_vector_dim not in (0, encoder.spec.dim):
            raise UnknownEncoder(
                f"CLIP_VECTOR_DIM={settings.clip_vector_dim}, but {encoder.spec.name} makes vectors"
                f" of {encoder.spec.dim} numbers"
            )
        encoder.warm_up()
    except ModelProblem as problem:
        raise UnknownEncoder(f"encoder {name}: {problem}") from problem
    return encoder


def _maker(settings: EmbeddingSettings, name: str) -> Callable[[], Encoder]:
    """What makes the encoder, each time anew."""
    threads = settings.encoder_threads
    if name == MINI:
        return lambda: _mini(threads)
    dim = widened_dim(name)
    if dim is not None:
        return lambda: WidenedEncoder(_mini(threads), dim)
    store = ModelStore(settings.models_dir)
    manifest = store.get(name)
    on_gpu = not settings.force_cpu and _GPU_DRIVER.exists()
    runtime = settings.encoder_runtime
    if runtime == "auto":
        can_torch = WEIGHTS in manifest.files and importlib.util.find_spec("torch") is not None
        runtime = "torch" if on_gpu and can_torch else "onnx"
    precision = _precision(settings.encoder_precision, manifest, runtime, on_gpu)
    folder = store.path_of(name)
    if runtime == "torch":
        return lambda: _torch(folder, manifest, precision, threads, on_gpu, settings)
    return lambda: _onnx(folder, manifest, precision, threads, on_gpu)


def _precision(wanted: str, manifest: Manifest, runtime: str, on_gpu: bool) -> str:
    if runtime == "torch":
        allowed = ["bf16", "fp16", "fp32"] if on_gpu else ["fp32"]
    else:
        # Quantising as the pictures come is a trick of CPUs.
        allowed = manifest.precisions() if on_gpu else manifest.precisions()[::-1]
    if wanted == "auto":
        return allowed[0]
    if wanted not in allowed:
        raise ModelProblem(
            f"VIEWFINDER_ENCODER_PRECISION={wanted} cannot be had here with {runtime};"
            f" allowed: auto, {', '.join(allowed)}"
        )
    return wanted


def _mini(threads: int) -> Encoder:
    from embedding_service.encoders.mini import MiniEncoder

    return MiniEncoder(threads=threads)


def _onnx(folder: Path, manifest: Manifest, precision: str, threads: int, on_gpu: bool) -> Encoder:
    from embedding_service.encoders.onnx_clip import OnnxClipEncoder, cuda_is_available

    use_cuda = on_gpu and cuda_is_available()
    return OnnxClipEncoder(
        folder, manifest, precision, threads, use_cuda=use_cuda, held=hold(folder)
    )


def _torch(
    folder: Path,
    manifest: Manifest,
    precision: str,
    threads: int,
    on_gpu: bool,
    settings: EmbeddingSettings,
) -> Encoder:
    from embedding_service.encoders.torch_clip import TorchClipEncoder

    device = "cuda:0" if on_gpu else "cpu"
    return TorchClipEncoder(
        folder,
        manifest,
        precision,
        device,
        threads,
        compiled=settings.encoder_compile,
        held=hold(folder),
    )
