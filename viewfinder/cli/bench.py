"""`viewfinder bench ...`: measurements anybody can run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from viewfinder.cli.bench_pages import late, pages
from viewfinder.cli.connection import WRONG_ARGUMENT, fail
from viewfinder.cli.figures_file import JsonFile, check_folders

Api = Annotated[
    str | None,
    typer.Option(
        "--api", "--api-url", help="Measure this gateway, not a throw-away stack of its own."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Start a stack on this folder, such as one of `viewfinder simulate`; stopped after.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    bench = typer.Typer(
        help="Measure on this machine. Compare what was run in one go: machines are noisy.",
        no_args_is_help=True,
    )
    bench.command("ingest")(ingest)
    bench.command("search")(search)
    bench.command("answer")(answer)
    bench.command("recall")(recall)
    bench.command("engines")(engines)
    bench.command("encode")(encode)
    bench.command("late")(late)
    bench.command("pages")(pages)
    app.add_typer(bench, name="bench")


def ingest(
    pictures: Annotated[int, typer.Option(min=1, help="How many for the rate.")] = 1000,
    single: Annotated[int, typer.Option(min=1, help="How many one by one for the delay.")] = 20,
    folder: Annotated[Path | None, typer.Option(help="Your own pictures instead of made.")] = None,
    json_file: JsonFile = None,
    api: Api = None,
) -> None:
    """Measure how soon one picture can be found, and how many a second come in.

    viewfinder bench ingest --pictures 1000 --json ingest.json
    """
    from bench.figures import report
    from bench.ingest import measure_ingest

    with measured_gateway(api) as url:
        report("Ingest", measure_ingest(url, pictures, single, folder), json_file)


def search(
    pictures: Annotated[
        int, typer.Option(min=1, help="Fill a throw-away stack up to so many.")
    ] = 1000,
    data_dir: DataDir = None,
    requests: Annotated[int, typer.Option("--requests", "-n", min=1, help="Searches.")] = 1000,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, max=256)] = 1,
    warm_up: Annotated[int, typer.Option(min=0, help="Searches before, not counted.")] = 50,
    top_k: Annotated[int, typer.Option(min=1, max=100)] = 10,
    filter_: Annotated[
        str,
        typer.Option(
            "--filter",
            help="off; on: a category that 2 % of a simulated collection have; PERCENT: a range"
            " that so many of it meet; or KEY=VALUE as `viewfinder search --filter` takes it.",
        ),
    ] = "off",
    cache: Annotated[
        bool, typer.Option(help="Ask the same 15 queries over and over, so that caches answer.")
    ] = False,
    exact: Annotated[bool, typer.Option(help="Without the graph.")] = False,
    target: Annotated[
        str, typer.Option(help="Exit with 1 when missed: p95=20,p99=50 (milliseconds).")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Other seeds ask other texts.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw the latencies here (SVG).")] = None,
    json_file: JsonFile = None,
    api: Api = None,
) -> None:
    """Measure how fast searches are answered through the gateway, and where the time goes.

    viewfinder bench search -n 1000 --json search.json --plot search.svg

    viewfinder bench search --data-dir ./many --filter on --target p95=20,p99=50
    """
    from bench.figures import report
    from bench.http_client import HttpTrouble
    from bench.latency_plot import write_plot
    from bench.search import SearchLoad, fill, measure_search
    from bench.targets import missed, parse_targets
    from viewfinder.cli.connection import ConnectionSettings
    from viewfinder.settings import load_settings

    if plot is not None and plot.suffix.lower() != ".svg":
        raise fail(f"{plot}: plots are SVG, so the name ends in .svg", WRONG_ARGUMENT)
    check_folders(plot, json_file)
    try:
        targets = parse_targets(target)
        filters = _filters(filter_)
    except ValueError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    load = SearchLoad(requests, concurrency, warm_up, top_k, filters, cache, exact, seed)
    with measured_gateway(api, data_dir) as url:
        if api is None and data_dir is None:
            fill(url, pictures)
        try:
            run = measure_search(url, load, load_settings(ConnectionSettings).api_key)
        except HttpTrouble as trouble:
            raise fail(str(trouble)) from None
    figures = run.figures()
    report("Search", figures, json_file)
    if plot is not None:
        title = f"{figures['requests']:,} searches among {figures['vectors']:,} vectors"
        aims = {name: ms for name, ms in targets.items() if name.startswith("p")}
        write_plot(plot, title, run.latencies_s, aims)
    problems = missed(targets, figures)
    if problems:
        raise fail("\n".join(problems))


def answer(
    pictures: Annotated[int, typer.Option(min=1, help="Fill the stack up to so many.")] = 300,
    questions: Annotated[int, typer.Option("--questions", "-n", min=1)] = 100,
    top_k: Annotated[int, typer.Option(min=1, max=5, help="Pictures the model is shown.")] = 1,
    warm_up: Annotated[int, typer.Option(min=0, help="Questions before, not counted.")] = 10,
    data_dir: DataDir = None,
    target: Annotated[
        str,
        typer.Option(help="Exit with 1 when it takes longer beyond a search: p50=50 (ms)."),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Other seeds ask other texts.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure the time to the first word of an answer, beyond the model's own and beyond a search.

    The model is a stand-in that answers at once. viewfinder bench answer -n 100 --json answer.json
    """
    from bench.answer import measure_answers, model_server
    from bench.figures import report
    from bench.own_stack import own_stack
    from bench.search import fill
    from bench.targets import missed, parse_targets

    check_folders(json_file)
    try:
        targets = parse_targets(target)
    except ValueError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    try:
        with model_server() as settings, own_stack(data_dir, settings) as url:
            if data_dir is None:
                fill(url, pictures)
            figures = measure_answers(url, questions, top_k, warm_up, seed)
    except RuntimeError as error:
        raise fail(str(error)) from None
    report("Answer", figures, json_file)
    problems = missed(targets, figures, of="known_pictures_beyond_search")
    if problems:
        raise fail("\n".join(problems))


def recall(
    data_dir: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Empty: VIEWFINDER_DATA_DIR."),
    ] = None,
    queries: Annotated[int, typer.Option("--queries", "-n", min=1, help="Of each kind.")] = 200,
    ef: Annotated[str, typer.Option(help="Candidates of a search, several with commas.")] = (
        "64,128,256"
    ),
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", help="As of `bench search`, repeatable; else off, on and 50."),
    ] = None,
    target: Annotated[
        float, typer.Option(min=0, max=1, help="Exit with 1 when one is lower at QDRANT_HNSW_EF.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds ask other queries.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure how much of the truth the graph finds: recall@10 against exact search.

    Queries are texts, and vectors from the collection. Stop Viewfinder on the folder first: the
    index is asked itself. The QDRANT_HNSW_EF of the settings is always among the efs.

    viewfinder bench recall --data-dir ./many --ef 64,128,256 --target 0.98
    """
    from bench.encoders import EncoderProblem
    from bench.figures import report
    from bench.index_settings import IndexUnusable, index_settings
    from bench.recall import NothingToMeasure, RecallPlan, measure_recall
    from viewfinder.settings import SharedSettings, load_settings

    check_folders(json_file)
    settings = index_settings()
    try:
        efs = {int(one) for one in ef.split(",") if one.strip()} | {settings.hnsw_ef}
        named = {name: _filters(name) for name in filters or ("off", "on", "50")}
    except ValueError as error:
        raise fail(f"--ef {ef}, --filter: {error}", WRONG_ARGUMENT) from None
    if min(efs) < 1:
        raise fail(f"--ef {ef}: at least 1", WRONG_ARGUMENT)
    folder = data_dir or load_settings(SharedSettings).data_dir
    plan = RecallPlan(queries, tuple(sorted(efs)), named, seed)
    try:
        run = measure_recall(folder.absolute(), plan, settings.engine_options)
    except (NothingToMeasure, IndexUnusable, EncoderProblem) as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    report("Recall", run.figures(), json_file)
    lowest = run.lowest(settings.hnsw_ef)
    if lowest < target:
        raise fail(f"recall is {lowest:.4f} at ef {settings.hnsw_ef}, the target {target}")


def engines(
    count: Annotated[int, typer.Option(min=100, help="How many synthetic points.")] = 10_000,
    dim: Annotated[int, typer.Option(help="Numbers of a vector: 384, or up to 4096.")] = 512,
    kind: Annotated[Literal["clustered", "uniform"], typer.Option()] = "clustered",
    queries: Annotated[int, typer.Option("--queries", "-n", min=1)] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    engine: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated. Else all.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="What is built stays here and is used again; else a temporary folder.",
        ),
    ] = None,
    build_only: Annotated[
        bool,
        typer.Option(
            "--build-only", help="Ask later, by the same command without this: needs --keep."
        ),
    ] = False,
    local_mode_up_to: Annotated[
        int,
        typer.Option(min=0, help="Leave qdrant-client's local mode out of more points than these."),
    ] = 100_000,
    json_file: JsonFile = None,
) -> None:
    """Put other vector engines beside ours: same vectors, same queries, this machine.

    Qdrant Edge, faiss HNSW, usearch, qdrant-client's local mode: pip install 'viewfinder[bench]'.
    Those that are missing are named and left out. All are built first, which for a million takes
    hours and about 10 GB, then asked one shortly after the other, which wants a quiet machine.

    viewfinder bench engines --count 100000 --json engines.json

    viewfinder bench engines --count 1000000 --keep ./engines --build-only
    """
    from rich.console import Console

    from bench.encoders import EncoderProblem
    from bench.engine_inputs import CannotCompare
    from bench.engine_table import show, told_to
    from bench.engines import PeerPlan, measure_peers
    from bench.figures import write_json
    from bench.peers import PACKAGES
    from bench.synthetic import Recipe

    check_folders(json_file)
    if build_only and keep is None:
        raise fail("--build-only: say with --keep where to build", WRONG_ARGUMENT)
    if unknown := sorted(set(engine or ()) - set(PACKAGES)):
        raise fail(f"--engine {unknown[0]}: one of {', '.join(PACKAGES)}", WRONG_ARGUMENT)
    chosen = {name: PACKAGES[name] for name in PACKAGES if not engine or name in engine}
    plan = PeerPlan(
        Recipe(count, dim, kind, seed, words=False),
        queries,
        keep=None if keep is None else keep.absolute(),
        ask=not build_only,
        local_mode_most=local_mode_up_to,
    )
    try:
        with told_to(Console(stderr=True, log_path=False)) as told:
            run = measure_peers(plan, told, chosen)
    except EncoderProblem as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    except CannotCompare as error:
        raise fail(str(error)) from None
    show(Console(highlight=False), run)
    if json_file is not None:
        write_json(run.figures(), json_file)


def encode(
    encoder: Annotated[
        str,
        typer.Option(help="NAME or NAME@PRECISION; empty: what embedding_service starts with."),
    ] = "",
    against: Annotated[
        Literal["open_clip"] | None,
        typer.Option(help="Put this beside it: same weights, same run. Needs viewfinder[openclip]"),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(exists=True, help="The weights, where the store did not keep them."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, help="More are steadier and take longer.")] = 20,
    starts: Annotated[int, typer.Option(min=1, help="How often the service is started.")] = 3,
    json_file: JsonFile = None,
) -> None:
    """Measure how fast texts and pictures become vectors.

    viewfinder bench encode --encoder mini --json encode.json

    viewfinder bench encode --encoder ViT-B-32--laion2b_s34b_b79k@int8 --against open_clip
    """
    from rich.console import Console

    from bench.encode import Effort, measure_encode
    from bench.encode_table import show
    from bench.encoders import EncoderChoice, EncoderProblem
    from bench.figures import write_json

    try:
        found = measure_encode(
            EncoderChoice.of(encoder),
            Console(stderr=True),
            Effort(rounds=rounds, starts=starts),
            against_open_clip=against is not None,
            checkpoint=checkpoint,
        )
    except EncoderProblem as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    show(Console(highlight=False), found)
    if json_file is not None:
        write_json(found.figures(), json_file)


def _filters(text: str) -> dict[str, Any]:
    from bench.synthetic import category_filter, share_filter
    from viewfinder.cli.filters import parse_filters

    if text == "off":
        return {}
    if text == "on":
        return category_filter()
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        return parse_filters([text])
    if not 0 < percent <= 100:
        raise ValueError(f"--filter {text}: a share is above 0 and at most 100 percent")
    return share_filter(percent)


@contextmanager
def measured_gateway(api: str | None, data_dir: Path | None = None) -> Iterator[str]:
    """The address of the one to measure: `api`, else of a stack that runs as long as this does."""
    if api is not None:
        yield api
        return
    from bench.own_stack import own_stack

    try:
        with own_stack(data_dir) as url:
            yield url
    except RuntimeError as error:
        raise fail(str(error)) from None
