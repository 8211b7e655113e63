"""What `viewfinder models` does with document models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from embedding_service.document_loading import NONE, chosen_document_model
from embedding_service.encoder_loading import MINI, UnknownEncoder
from embedding_service.models.document_manifest import DocumentManifest
from embedding_service.models.manifest import model_id
from embedding_service.models.problems import BrokenModel, ModelProblem
from embedding_service.models.store import ModelStore
from embedding_service.settings import EmbeddingSettings

# Another machine, and with bf16 weights other kernels, add a little to what was computed.
_PROBE_LIMIT = 0.99


def pull_document(store: ModelStore, name: str, *, force: bool) -> None:
    """Download a published document model and store it."""
    from embedding_service.models import colpali
    from embedding_service.models.document_download import fetch_document, published_document

    wanted = published_document(name)
    _refuse_present(store, wanted.name, "", force=force)
    colpali.engine()  # before gigabytes are fetched
    Console(highlight=False).print(f"[dim]{wanted.repository}: licence {wanted.licence}[/]")
    fetched = fetch_document(wanted)
    _make(store, fetched.folder, fetched.base, wanted.name, "", fetched.source)


def import_document(
    store: ModelStore, folder: Path, base: Path | None, name: str, pretrained: str, *, force: bool
) -> None:
    """Store a document model of this disk."""
    name = name or folder.resolve().name
    _refuse_present(store, name, pretrained, force=force)
    _make(store, folder, base, name, pretrained, {})


def verify_document(folder: Path, manifest: DocumentManifest) -> None:
    """Compute the matrices that were noted when the model was stored.

    Raises:
        ColpaliMissing: the extra is not installed.
        BrokenModel: they are others here.
    """
    from embedding_service.models import colpali

    colpali.engine()
    from embedding_service.encoders.colpali import ColpaliEncoder

    encoder = ColpaliEncoder(folder, manifest, "auto")
    smallest = 1.0
    for probe in manifest.probes:
        ours = encoder.embed_texts([probe.text])[0]
        true = probe.matrix(manifest.dim)
        cosines = (ours * true).sum(1) if ours.shape == true.shape else np.zeros(1)
        smallest = min(smallest, float(cosines.min()))
    if not smallest >= _PROBE_LIMIT:
        raise BrokenModel(
            f"{manifest.id} does not compute here what it did (cosine {smallest:.4f})"
        )
    console = Console(highlight=False)
    console.print(f"{len(manifest.probes)} texts: smallest cosine of a token {smallest:.6f}")
    console.print("[dim]The checksums of all files agree.[/]")


def use_document(settings: EmbeddingSettings, store: ModelStore, model: str) -> bool:
    """Choose it where it is a document model, or `none`; returns whether it was."""
    if model == MINI:
        return False
    if model != NONE:
        model = store.resolve(model)
        if not isinstance(store.read(model), DocumentManifest):
            return False
    store.use_document("" if model == NONE else model)
    console = Console(highlight=False, soft_wrap=True)
    what = "No model" if model == NONE else model
    console.print(f"{what} is chosen for pages, from the next start of embedding_service on.")
    if settings.document_model:
        console.print(
            f"[yellow]VIEWFINDER_DOCUMENT_MODEL is {settings.document_model}, which counts more:[/]"
            " unset it."
        )
    return True


def chosen_or_none(settings: EmbeddingSettings) -> str:
    """The document model that embedding_service would start with; empty where it could not."""
    try:
        return chosen_document_model(settings)
    except UnknownEncoder:
        return ""


def document_row(manifest: DocumentManifest) -> tuple[str, ...]:
    """Of `viewfinder models list`."""
    size = f"{manifest.size_bytes / 1e6:.0f}"
    return (manifest.id, f"{manifest.dim} a token", "pages", "", size, "needed")


def list_published_documents(search: str) -> int:
    """Show the document models that can be pulled by name; returns how many."""
    from embedding_service.models.document_download import PUBLISHED

    shown = [one for one in PUBLISHED.values() if search.lower() in one.name]
    if shown:
        table = Table(box=None, pad_edge=False)
        for title in ("document model", "licence of its weights", "repository"):
            table.add_column(title)
        for one in shown:
            table.add_row(one.name, one.licence, one.repository)
        Console(highlight=False).print(table)
    return len(shown)


def _refuse_present(store: ModelStore, name: str, pretrained: str, *, force: bool) -> None:
    model = model_id(name, pretrained)
    if model in store.ids() and not force:
        raise ModelProblem(f"{model} is here already: `viewfinder models use {model}`, or --force")


def _make(
    store: ModelStore,
    folder: Path,
    base: Path | None,
    name: str,
    pretrained: str,
    source: dict[str, str],
) -> None:
    from embedding_service.models.document_import import import_document_model, look_at

    console: Any = Console(highlight=False, soft_wrap=True)
    manifest = import_document_model(
        store,
        look_at(folder, base),
        name,
        pretrained,
        source,
        lambda step: console.print(f"[dim]{step}[/]", markup=True),
    )
    console.print(f"[bold]{manifest.id}[/] is ready: a {manifest.architecture}, for pages")
    console.print(f"Choose it: viewfinder models use {manifest.id}")
