"""`viewfinder models ...`: bring OpenCLIP and document models, check them, choose one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from embedding_service.encoder_loading import MINI, UnknownEncoder, chosen_encoder
from embedding_service.models.calibrate_command import calibrate
from embedding_service.models.command_line import Model, opened_store, problems
from embedding_service.models.document_commands import (
    chosen_or_none,
    document_row,
    import_document,
    list_published_documents,
    pull_document,
    use_document,
    verify_document,
)
from embedding_service.models.document_manifest import DocumentManifest
from embedding_service.models.manifest import WEIGHTS, WEIGHTS_CONFIG, model_id
from embedding_service.models.problems import BrokenModel, ModelProblem, UnknownModel
from embedding_service.models.store import ModelStore
from embedding_service.settings import EmbeddingSettings

DEFAULT_NAME = "ViT-B-32"
DEFAULT_TAG = "laion2b_s34b_b79k"
HELP = """Bring OpenCLIP models, check them, choose one.

A model is made once (this needs `pip install 'viewfinder[openclip]'`) and served without torch.
It is stored only when its vectors agree with open_clip's own, on real pictures and texts.

    viewfinder models pull ViT-B-32 laion2b_s34b_b79k

    viewfinder models use ViT-B-32--laion2b_s34b_b79k

Without a network: fetch the weights elsewhere, copy them here, and

    viewfinder models import weights.safetensors --name ViT-B-32 --pretrained laion2b_s34b_b79k
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Pictures = Annotated[
    Path | None,
    typer.Option(
        exists=True, file_okay=False, help="Verify with these pictures, not scikit-image's samples."
    ),
]
Int8 = Annotated[bool, typer.Option("--int8/--no-int8", help="Make the fast int8 form too.")]
KeepWeights = Annotated[
    bool, typer.Option("--keep-weights", help="Keep the weights too, to serve with torch on a GPU.")
]
Force = Annotated[bool, typer.Option("--force", help="Make it again where it is there already.")]
TokenizerFolder = Annotated[
    Path | None,
    typer.Option(
        "--tokenizer",
        exists=True,
        file_okay=False,
        help="A folder with the tokenizer's files, for SigLIP and others that have their own.",
    ),
]

app.command("calibrate")(calibrate)


@app.command("list")
def list_models(
    everything: Annotated[
        bool, typer.Option("--all", help="What could be pulled, not what is here.")
    ] = False,
    search: Annotated[str, typer.Option(help="Only names with this in them.")] = "",
) -> None:
    """Show the models that are here, which one is chosen, and how exact they are.

    viewfinder models list --all --search siglip
    """
    with problems():
        if everything:
            _list_published(search)
            return
        settings, store = opened_store()
        chosen = {
            chosen_encoder(settings) if _can_choose(settings) else "",
            chosen_or_none(settings),
        }
        table = Table(box=None, pad_edge=False)
        for title in ("", "model", "vector", "picture", "int8 cosine", "MB", "torch"):
            table.add_column(title, no_wrap=True)
        table.add_row("*" if MINI in chosen else "", MINI, "384", "256 px", "", "35", "")
        for model in store.ids():
            if search.lower() in model.lower():
                table.add_row("*" if model in chosen else "", *_row(store, model))
        console = Console(highlight=False)
        console.print(table)
        console.print(f"[dim]* is what embedding_service starts with. Folder: {store.folder}[/]")


@app.command()
def pull(
    name: Annotated[
        str, typer.Argument(help="OpenCLIP's name, or a document model's.")
    ] = DEFAULT_NAME,
    pretrained: Annotated[str, typer.Argument(help="Its pretrained tag.")] = "",
    pictures: Pictures = None,
    int8: Int8 = True,
    keep_weights: KeepWeights = False,
    tokenizer: TokenizerFolder = None,
    force: Force = False,
) -> None:
    """Download an OpenCLIP or a document model and make it ready to serve.

    A download that broke off goes on where it stopped. `viewfinder models list --all` shows names.

    viewfinder models pull ViT-H-14 laion2b_s32b_b79k

    viewfinder models pull colqwen2-v1.0
    """
    from embedding_service.models import openclip
    from embedding_service.models.document_download import is_published_document
    from embedding_service.models.download import Published, fetch

    with problems():
        if is_published_document(name):
            pull_document(opened_store()[1], name, force=force)
            return
        if name == DEFAULT_NAME and not pretrained:
            pretrained = DEFAULT_TAG
        _, store = opened_store()
        entry = openclip.published(name, pretrained)
        _refuse_present(store, name, pretrained, force=force)
        published = Published.of(name, pretrained, entry)
        fetched = fetch(published, None)
        source = {"address": fetched.address, "commit": fetched.revision}
        _export(
            store, (name, pretrained, False), fetched.path, source, pictures, tokenizer,
            int8=int8, keep_weights=keep_weights,
        )  # fmt: skip


@app.command("import")
def import_checkpoint(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help="Weights (.pt, .bin, .safetensors), a folder with open_clip_config.json, or the"
            " folder of a document model (config.json or adapter_config.json).",
        ),
    ],
    name: Annotated[str, typer.Option(help="OpenCLIP's name of the architecture.")] = "",
    pretrained: Annotated[
        str, typer.Option(help="The published tag it is of, or a word of your own.")
    ] = "",
    base: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Of a document model's adapter: its base's folder."
        ),
    ] = None,
    quick_gelu: Annotated[
        bool, typer.Option("--quick-gelu", help="It was trained with QuickGELU, as OpenAI's were.")
    ] = False,
    pictures: Pictures = None,
    int8: Int8 = True,
    keep_weights: KeepWeights = False,
    tokenizer: TokenizerFolder = None,
    force: Force = False,
) -> None:
    """Make a model from weights on this disk, your own training's too. Needs no network.

    The file is read as weights only: nothing in it is run.

    viewfinder models import epoch_32.pt --name ViT-B-32 --pretrained my-birds

    viewfinder models import colqwen2-v1.0 --base colqwen2-base
    """
    from embedding_service.models.document_import import is_document_folder

    with problems():
        _, store = opened_store()
        if is_document_folder(checkpoint) and not (checkpoint / WEIGHTS_CONFIG).is_file():
            import_document(store, checkpoint, base, name, pretrained, force=force)
            return
        if not name and not checkpoint.is_dir():
            raise ModelProblem("of which architecture is it? Add --name, such as --name ViT-B-32")
        name = name or checkpoint.resolve().name
        pretrained = pretrained or ("local" if checkpoint.is_dir() else checkpoint.stem)
        _refuse_present(store, name, pretrained, force=force)
        _export(
            store, (name, pretrained, quick_gelu), checkpoint, {}, pictures, tokenizer,
            int8=int8, keep_weights=keep_weights,
        )  # fmt: skip


@app.command()
def export(
    model: Model,
    pictures: Pictures = None,
    int8: Int8 = True,
    tokenizer: TokenizerFolder = None,
) -> None:
    """Make a stored model again from its kept weights, as after an update of Viewfinder.

    Only for models that were brought with --keep-weights; others: pull or import them again.
    """
    with problems():
        _, store = opened_store()
        model = store.resolve(model)
        manifest = store.check_files(model)
        if isinstance(manifest, DocumentManifest):
            raise ModelProblem(f"{model} is a document model: pull or import it again")
        if WEIGHTS not in manifest.files:
            raise ModelProblem(f"{model} was stored without its weights: pull or import it again")
        architecture = (manifest.name, manifest.pretrained, False)
        _export(
            store, architecture, store.path_of(model), manifest.source, pictures, tokenizer,
            int8=int8, keep_weights=True,
        )  # fmt: skip


@app.command()
def verify(model: Model, pictures: Pictures = None) -> None:
    """Check a model's files against their checksums, and its vectors on this machine.

    With kept weights (and torch) vectors are compared with open_clip's; otherwise int8 with fp32,
    which was compared when the model was made. Exit status 1 when something does not agree.
    """
    from embedding_service.models.recheck import recheck

    with problems():
        _, store = opened_store()
        model = store.resolve(model)
        with _bar("checking files", store.read(model).size_bytes) as advance:
            manifest = store.check_files(model, advance)
        if isinstance(manifest, DocumentManifest):
            verify_document(store.path_of(model), manifest)
            return
        found = recheck(store.path_of(model), manifest, pictures)
        table = Table(box=None, pad_edge=False)
        for title in ("precision", "against", "text", "pictures", ""):
            table.add_column(title)
        for line in found:
            passed = "agrees" if line.passed else f"[red]wanted {line.limit}[/]"
            shown = (f"{x:.6f}" for x in (line.found.text_cosine_min, line.found.image_cosine_min))
            table.add_row(line.precision, line.against, *shown, passed)
        console = Console(highlight=False)
        console.print(table)
        console.print("[dim]Smallest cosines. The checksums of all files agree.[/]")
        if not all(line.passed for line in found):
            raise BrokenModel(f"{model} does not compute here what it did where it was made")


@app.command()
def use(model: Model) -> None:
    """Choose the encoder that embedding_service starts with; `mini` is the one in the box.

    A document model is chosen beside it, for the pages of PDFs; `none` means no such model.

    VIEWFINDER_ENCODER and CLIP_MODEL_NAME, where they are set, say more than this.
    An index holds the vectors of one encoder, so switching means embedding all pictures again:
    `viewfinder reindex --model MODEL` does that while searches go on, and switches when it is done.
    """
    with problems():
        settings, store = opened_store()
        if use_document(settings, store, model):
            return
        model = MINI if model == MINI else store.resolve(model)
        store.use("" if model == MINI else model)
        console = Console(highlight=False, soft_wrap=True)
        console.print(f"{model} is chosen. It is used from the next start of embedding_service.")
        if _can_choose(settings) and chosen_encoder(settings) != model:
            console.print(
                f"[yellow]The environment says {chosen_encoder(settings)}, which counts more:[/]"
                " unset VIEWFINDER_ENCODER and CLIP_MODEL_NAME."
            )
        console.print(
            "Pictures that are indexed were embedded by another encoder? Then switch with:\n"
            f"  viewfinder reindex --model {model}"
        )


@app.command()
def remove(model: Model) -> None:
    """Delete a model. Refused while it is the chosen one or a service holds it."""
    with problems():
        _, store = opened_store()
        store.remove(model if store.path_of(model).is_dir() else store.resolve(model))
        Console(highlight=False).print(f"{model} is removed.")


def _can_choose(settings: EmbeddingSettings) -> bool:
    try:
        chosen_encoder(settings)
    except UnknownEncoder:
        return False
    return True


def _refuse_present(store: ModelStore, name: str, pretrained: str, *, force: bool) -> None:
    model = model_id(name, pretrained)
    if model in store.ids() and not force:
        raise ModelProblem(f"{model} is here already: `viewfinder models use {model}`, or --force")


def _export(
    store: ModelStore,
    architecture: tuple[str, str, bool],
    checkpoint: Path,
    source: dict[str, str],
    pictures: Path | None,
    tokenizer: Path | None,
    *,
    int8: bool,
    keep_weights: bool,
) -> None:
    from embedding_service.models import openclip

    openclip.open_clip()  # says clearly what is missing, before anything else is imported
    from embedding_service.models.export import export as make
    from embedding_service.models.verify import sample_pictures

    console = Console(highlight=False, soft_wrap=True)
    manifest = make(
        store,
        openclip.Architecture(*architecture),
        checkpoint,
        source=source,
        pictures=lambda spec: sample_pictures(spec, pictures),
        tokenizer_source=tokenizer,
        int8=int8,
        keep_weights=keep_weights,
        say=lambda step: console.print(f"[dim]{step}[/]"),
    )
    verified = manifest.verified
    console.print(f"[bold]{manifest.id}[/] is ready: {manifest.dim} numbers a vector")
    for precision, found in verified.by_precision.items():
        console.print(f"  {precision}: smallest cosine to {verified.against}: {found}")
    console.print(f"  on {verified.n_texts} texts and {verified.n_pictures} pictures")
    console.print(f"Choose it: viewfinder models use {manifest.id}")


def _list_published(search: str) -> None:
    from embedding_service.models import openclip

    pairs = openclip.all_published()
    documents = list_published_documents(search)
    shown = [pair for pair in pairs if search.lower() in " ".join(pair).lower()]
    if documents and not shown:
        return
    if not shown:
        near = difflib.get_close_matches(search, sorted({name for name, _ in pairs}), 3, 0.4)
        raise UnknownModel(f"nothing has {search!r} in its name; near: {', '.join(near) or 'none'}")
    table = Table(box=None, pad_edge=False)
    table.add_column("name")
    table.add_column("pretrained tag")
    for name, tag in shown:
        table.add_row(name, tag)
    Console(highlight=False).print(table)


def _row(store: ModelStore, model: str) -> tuple[str, ...]:
    try:
        manifest = store.read(model)
    except BrokenModel as problem:
        return (model, "", "", f"[red]{problem}[/]", "", "")
    if isinstance(manifest, DocumentManifest):
        return document_row(manifest)
    int8 = manifest.verified.by_precision.get("int8")
    smallest = f"{min(int8.text_cosine_min, int8.image_cosine_min):.4f}" if int8 else "fp32 only"
    torch = "weights kept" if WEIGHTS in manifest.files else ""
    size = f"{manifest.size_bytes / 1e6:.0f}"
    return (model, str(manifest.dim), f"{manifest.pixels.size} px", smallest, size, torch)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Any]:
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
