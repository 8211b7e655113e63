"""The commands about pictures: index, search, similar, list, show, text, explain, delete."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from viewfinder.api_models import (
    MAX_LIST_LIMIT,
    HeatmapShow,
    ImageState,
    RenditionFormat,
    SearchMode,
)
from viewfinder.cli import output
from viewfinder.cli.connection import (
    INTERRUPTED,
    NOT_DONE,
    WRONG_ARGUMENT,
    ConnectionSettings,
    fail,
    gateway,
)
from viewfinder.cli.filters import parse_filters
from viewfinder.cli.indexing import Indexer
from viewfinder.cli.walking import walk
from viewfinder.client_search import SearchOptions
from viewfinder.settings import load_settings


class Order(StrEnum):
    """Of the pictures found."""

    relevance = "relevance"
    newest = "newest"
    oldest = "oldest"


Api = Annotated[
    str | None, typer.Option("--api", help="Address of the gateway; else VIEWFINDER_API_URL.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: the answer as JSON.")]
TopK = Annotated[int, typer.Option("--top-k", "-k", min=1, max=100, help="At most so many.")]
Threshold = Annotated[
    float, typer.Option("--threshold", min=0, max=1, help="Leave out lower scores (cosine).")
]
MinRelevance = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Leave out what fits less probably; 0.5 means the same for every query."
    ),
]
Mode = Annotated[
    SearchMode,
    typer.Option(
        help="visual: what pictures show; hybrid: names, tags and other words too;"
        " description: what a vision model said of them."
    ),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        "-f",
        help="key=value, key=a,b, key!=value, key=*, key>=1, key<2; may be repeated.",
    ),
]
Negative = Annotated[
    list[str] | None, typer.Option("--not", help="Away from this; may be repeated.")
]
Like = Annotated[
    list[str] | None,
    typer.Option("--like", metavar="ID", help="Also like this picture; may be repeated."),
]
Facets = Annotated[
    list[str] | None, typer.Option("--facet", help="Count the values of this key; may be repeated.")
]
Grouped = Annotated[bool, typer.Option("--documents", help="One result a document.")]
Collapse = Annotated[
    float, typer.Option(min=0, max=1, help="Show what is so alike (cosine, from 0.5) once; 0: off.")
]
SortBy = Annotated[Order, typer.Option("--sort", help="By time: among the 1000 best.")]
Rerank = Annotated[
    bool, typer.Option("--rerank", help="Have a vision model put the best first; takes seconds.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Have a vision model say why these were found.")
]
Pages = Annotated[int, typer.Option(min=1, max=100, help="So many pages, one after the other.")]

INDEX_HELP = """Bring pictures and PDFs in: files, or folders full of them.

What is already there by content is skipped, so it can be stopped with Ctrl-C and run again.

    viewfinder index ~/Pictures --recursive --tag holiday

    viewfinder index cat.jpg dog.png --manifest done.json

    viewfinder index contract.pdf --password secret

Exit status: 0 all are searchable; 1 some were refused or failed (the manifest says why); 2 wrong
argument; 130 stopped with Ctrl-C.
"""

SEARCH_HELP = """Find pictures by describing them, or by a picture.

For example:

    viewfinder search "a dog on a beach"

    viewfinder search "sunset" --top-k 5 --filter tags=holiday --filter "width>=2000"

    viewfinder search IMG_1234 --mode hybrid

    viewfinder search --image query.jpg --json

    viewfinder search "a red bicycle" --min-relevance 0.5

    viewfinder search "a dog" --not "a toy" --filter "camera=*" --facet tags --collapse 0.95

    viewfinder search "at night" --image query.jpg --sort newest --pages 3

Filters: tags, category, media_type, file_name, camera, document, page, width, height, size_bytes,
taken_at, uploaded_at, location, metadata.NAME. Exit status: 0, also when nothing was found.
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("index", help=INDEX_HELP)(index)
    app.command("search", help=SEARCH_HELP)(search)
    app.command("similar")(similar)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("explain")(explain)
    app.command("text")(text)
    app.command("delete")(delete)


def index(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.", exists=True)],
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", "-r/-R", help="Folders in folders too.")
    ] = True,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="Tag all of them.")] = None,
    parallel: Annotated[
        int, typer.Option(min=1, max=32, help="Requests and hashes at a time.")
    ] = 4,
    manifest: Annotated[
        Path | None, typer.Option(help="Where to write what became of each file (JSON).")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only list what would be looked at.")] = False,
    password: Annotated[
        str,
        typer.Option(envvar="VIEWFINDER_PDF_PASSWORD", help="Opens the PDFs that are encrypted."),
    ] = "",
    describe: Annotated[
        bool,
        typer.Option("--describe", help="Have the vision model describe them, in the background."),
    ] = False,
    api: Api = None,
) -> None:
    """See INDEX_HELP."""
    console = Console(highlight=False)
    files = walk(paths, recursive=recursive)
    if dry_run:
        for path in files:
            console.print(str(path), markup=False, soft_wrap=True)
        return
    if manifest is None:
        moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        manifest = load_settings(ConnectionSettings).data_dir / "manifests" / f"{moment}.json"
    with gateway(api) as client, output.IndexBars(console) as bars:
        indexer = Indexer(client, tag or [], parallel, bars, password, describe=describe)
        try:
            report = indexer.run(files)
        finally:
            _write_manifest(indexer, manifest)
    output.show_report(console, report)
    console.print(f"Manifest: {manifest}", markup=False, soft_wrap=True)
    if report.interrupted:
        console.print("Stopped; run the same command again to go on.")
        raise typer.Exit(INTERRUPTED)
    if not report.complete:
        raise typer.Exit(NOT_DONE)


def _write_manifest(indexer: Indexer, manifest: Path) -> None:
    try:
        indexer.report.write(manifest)
    except OSError as error:
        raise fail(f"The manifest {manifest} cannot be written: {error.strerror}") from None


def search(
    query: Annotated[str | None, typer.Argument(help="What the picture shows.")] = None,
    image: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Search by this picture.")
    ] = None,
    top_k: TopK = 10,
    threshold: Threshold = 0.0,
    min_relevance: MinRelevance = 0.0,
    filters: Filters = None,
    negative: Negative = None,
    like: Like = None,
    facet: Facets = None,
    documents: Grouped = False,
    collapse: Collapse = 0.0,
    sort: SortBy = Order.relevance,
    pages: Pages = 1,
    mode: Mode = "auto",
    rerank: Rerank = False,
    explain: Explain = False,
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """See SEARCH_HELP."""
    if (rerank or explain) and image is not None:
        raise fail("--rerank and --explain are for descriptions, not for --image", WRONG_ARGUMENT)
    if query is None and image is None:
        raise fail("Give a description, a picture with --image, or both", WRONG_ARGUMENT)
    options: SearchOptions = {
        "top_k": top_k,
        "score_threshold": threshold,
        "min_relevance": min_relevance,
        "negative": negative or [],
        "examples": [{"image_id": image_id} for image_id in like or []],
        "facets": facet or [],
        "group_by": "document" if documents else None,
        "collapse": collapse,
        "sort": sort.value,
    }
    try:
        options["filters"] = parse_filters(filters or [])
    except ValueError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    with gateway(api) as client:
        for _ in range(pages):
            if image is not None:
                answer = client.search_by_image(image, query=query, **options)
            else:
                answer = client.search(
                    query or "",
                    mode=mode,
                    rerank=rerank,
                    include_explanation=explain,
                    **options,
                )
            if as_json:
                print(answer.model_dump_json(indent=2))
            else:
                output.show_hits(Console(highlight=False), client, answer)
            if answer.next_cursor is None:
                return
            options["cursor"] = answer.next_cursor
            options["facets"] = []


def similar(
    image_id: Annotated[str, typer.Argument(metavar="ID", help="Of a picture that is there.")],
    top_k: TopK = 10,
    threshold: Threshold = 0.0,
    min_relevance: MinRelevance = 0.0,
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """Find pictures like one that is there.

    viewfinder similar 4f6b66be-b371-8c36-7299-c77f5b771ca0
    """
    with gateway(api) as client:
        answer = client.similar(
            image_id, top_k=top_k, score_threshold=threshold, min_relevance=min_relevance
        )
        if as_json:
            print(answer.model_dump_json(indent=2))
        else:
            output.show_hits(Console(highlight=False), client, answer)


def list_(
    document: Annotated[
        str | None, typer.Option(metavar="ID", help="The pages of this document.")
    ] = None,
    state: Annotated[ImageState | None, typer.Option(help="In this state.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", "-t", help="With this tag; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIST_LIMIT, help="At most so many.")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="Goes on where a list ended (next_cursor).")
    ] = None,
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """List pictures and documents, the newest first, or the pages of a document."""
    with gateway(api) as client:
        some = client.images(limit=limit, cursor=cursor, state=state, tag=tag, document=document)
        if as_json:
            print(some.model_dump_json(indent=2))
            return
        console = Console(highlight=False)
        output.show_list(console, some.images)
        if some.next_cursor is not None:
            console.print(
                f"{some.total:,} in all; more with --cursor {some.next_cursor}", soft_wrap=True
            )


def show(
    image_id: Annotated[str, typer.Argument(metavar="ID", help="Of a picture that is there.")],
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """Show all that is known of a picture."""
    with gateway(api) as client:
        image = client.image(image_id)
        if as_json:
            print(image.model_dump_json(indent=2))
        else:
            output.show_record(Console(highlight=False), client, image)


def explain(
    image_id: Annotated[str, typer.Argument(metavar="ID", help="Of a picture that is there.")],
    query: Annotated[str, typer.Argument(help="What it was found by.")],
    output_file: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="A .webp, .jpg or .jpeg file.")
    ],
    width: Annotated[int, typer.Option(min=1, max=4096, help="At most so many pixels.")] = 1024,
    show: Annotated[
        HeatmapShow,
        typer.Option(help="map: where the encoder sees it; words: the words of it; auto: both."),
    ] = "auto",
    api: Api = None,
) -> None:
    """Draw why a picture is found: where it shows the query, and the words of it that stand there.

    viewfinder explain 4f6b66be-b371-8c36-7299-c77f5b771ca0 "a cat" -o why.webp
    """
    formats: dict[str, RenditionFormat] = {".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
    wanted = formats.get(output_file.suffix.lower())
    if wanted is None:
        raise fail(f"{output_file}: end it with {', '.join(formats)}", WRONG_ARGUMENT)
    with gateway(api) as client:
        drawn = client.heatmap(image_id, query, width=width, format=wanted, show=show)
    try:
        output_file.write_bytes(drawn.data)
    except OSError as error:
        raise fail(f"{output_file} cannot be written: {error.strerror}") from None
    print(output_file)


def text(
    image_id: Annotated[str, typer.Argument(metavar="ID", help="Of a picture, page or document.")],
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """Print what was read in a picture or on a page; of a document, page after page."""
    with gateway(api) as client:
        image = client.image(image_id)
        console = Console(highlight=False)
        for one in client.pages(image.id) if image.kind == "document" else (image,):
            read = client.text(one.id)
            if as_json:
                print(json.dumps({"id": one.id, "page": one.page, **read.model_dump()}))
            else:
                output.show_text(console, one, read)


def delete(
    image_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="One or more.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    api: Api = None,
) -> None:
    """Remove pictures and documents for good: original, thumbnails, vectors, all that is known."""
    with gateway(api) as client:
        if not yes:
            count = "this picture" if len(image_ids) == 1 else f"these {len(image_ids)} pictures"
            typer.confirm(f"Remove {count} for good?", abort=True)
        for image_id in image_ids:
            client.delete(image_id)
            print(f"Deleted {image_id}")
