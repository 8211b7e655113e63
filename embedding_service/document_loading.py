"""The encoder for pages: which one the settings choose, and where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedding_service.encoder_loading import UnknownEncoder
from embedding_service.encoders.base import MultiVectorEncoder
from embedding_service.encoders.idle import DocumentOnDemand
from embedding_service.models import colpali
from embedding_service.models.problems import ModelProblem
from embedding_service.models.store import ModelStore, hold

if TYPE_CHECKING:
    from embedding_service.settings import EmbeddingSettings

NONE = "none"


def chosen_document_model(settings: EmbeddingSettings) -> str:
    """The id of a document model of the store, or empty: the setting first, then `models use`.

    Raises:
        UnknownEncoder: there is none of this name; the message is one line.
    """
    store = ModelStore(settings.models_dir)
    name = settings.document_model
    if name == NONE:
        return ""
    try:
        name = store.resolve_document(name) if name else store.active_document()
        if name:
            store.get_document(name)
    except ModelProblem as problem:
        raise UnknownEncoder(f"VIEWFINDER_DOCUMENT_MODEL={name!r}: {problem}") from problem
    return name


def load_document_encoder(settings: EmbeddingSettings) -> DocumentOnDemand | None:
    """The encoder for pages, or None where none is chosen. Its weights are not loaded yet.

    Raises:
        UnknownEncoder: it is not there, is damaged, or what it needs is not installed.
    """
    model = chosen_document_model(settings)
    if not model:
        return None
    store = ModelStore(settings.models_dir)
    folder = store.path_of(model)
    try:
        manifest = store.get_document(model)
        colpali.engine()  # says what is not installed
        from embedding_service.encoders.colpali import ColpaliEncoder, chosen_device

        device = chosen_device(force_cpu=settings.force_cpu)
        precision = settings.document_precision
        if precision == "auto":
            precision = "fp32" if device == "cpu" else "bf16"
        held = hold(folder)
    except ModelProblem as problem:
        raise UnknownEncoder(f"VIEWFINDER_DOCUMENT_MODEL={model!r}: {problem}") from problem
    pooling = settings.token_pooling

    def make() -> MultiVectorEncoder:
        return ColpaliEncoder(
            folder, manifest, precision, pooling, device, settings.encoder_threads, held=held
        )

    return DocumentOnDemand(
        make,
        settings.encoder_idle_s,
        manifest.spec(precision, pooling),
        manifest.max_batch,
        device,
    )
