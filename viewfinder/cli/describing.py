"""`viewfinder describe`: what pictures show, told by a vision model in the background."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from viewfinder.api_descriptions import DescriptionProgress, DescriptionsAsked
from viewfinder.cli.connection import INTERRUPTED, NOT_DONE, WRONG_ARGUMENT, fail, gateway
from viewfinder.cli.output import plain
from viewfinder.cli.pictures import Api, AsJson
from viewfinder.client import GIVE_UP_AFTER_S, Client
from viewfinder.client_descriptions import DescribeOptions
from viewfinder.errors import DeadlineExceeded, ServiceUnavailable

DESCRIBE_HELP = """Have a vision model describe pictures and pages, to be found by these words.

What is described already is passed over, so it can be run again at any time.

    viewfinder describe --all --dry-run

    viewfinder describe --all

    viewfinder describe --tag holiday --limit 500

    viewfinder describe 4f6b66be-b371-8c36-7299-c77f5b771ca0 --again

    viewfinder describe --failed

    viewfinder search "an old man with a red hat" --mode description

Without anything to describe it shows how far it is. Ctrl-C stops watching, not the work; `--stop`
stops the work. Exit status: 0 done; 1 some could not be described, or no model is set up; 2 wrong
argument; 130 stopped watching.
"""

_POLL_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("describe", help=DESCRIBE_HELP)(describe)


def describe(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Pictures, pages, documents.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is not described.")] = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="With this tag.")] = None,
    document: Annotated[
        str | None, typer.Option(metavar="ID", help="The pages of this document.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="The newest, so many; 0: all of them.")] = 0,
    again: Annotated[
        bool,
        typer.Option("--again", help="Also what is described; what was edited only by its ID."),
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what could not be described so far.")
    ] = False,
    other_model: Annotated[
        bool, typer.Option("--other-model", help="Also what another model described.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it costs.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Describe no more of what waits.")] = False,
    wait: Annotated[bool, typer.Option(help="Show the progress until all are done.")] = True,
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """See DESCRIBE_HELP."""
    everything = everything or (failed and not (ids or tag or document))
    wanted = [bool(ids), bool(tag or document), everything]
    if sum(wanted) > 1 or (stop and any(wanted)):
        raise fail("Give one of ID..., --tag and --document, --all, --stop", WRONG_ARGUMENT)
    console = Console(highlight=False)
    with gateway(api) as client:
        if stop:
            console.print(f"{client.stop_descriptions().stopped:,} are not described any more.")
            return
        if any(wanted):
            options = DescribeOptions(
                ids=ids or [],
                tag=tag or [],
                all=everything,
                again=again,
                failed=failed,
                other_model=other_model,
                limit=limit,
                dry_run=dry_run,
            )
            if document is not None:
                options["document"] = document
            asked = client.describe(**options)
            if dry_run:
                print(asked.model_dump_json(indent=2)) if as_json else console.print(cost(asked))
                return
            if not as_json:
                console.print(cost(asked))
        before = client.descriptions()
        now = before
        if wait and any(wanted) and before.waiting:
            try:
                now = _watch(client, before, console, is_quiet=as_json)
            except KeyboardInterrupt:
                console.print("It goes on in the background; see: viewfinder describe")
                raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(now.model_dump_json(indent=2))
    else:
        console.print(told(now), markup=False)
    if now.failed > before.failed:
        raise typer.Exit(NOT_DONE)


def _watch(
    client: Client, now: DescriptionProgress, console: Console, is_quiet: bool
) -> DescriptionProgress:
    """Until none waits; a gateway that restarts, and a model that is away, are waited for."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rest]}"),
        console=console,
        disable=is_quiet,
    )
    total = now.waiting
    last_sign = time.monotonic()
    with bars:
        bar = bars.add_task("Describing", total=total, rest="")
        while now.waiting:
            time.sleep(_POLL_S)
            try:
                now = client.descriptions()
            except (ServiceUnavailable, DeadlineExceeded):
                if time.monotonic() - last_sign > GIVE_UP_AFTER_S:
                    raise
                continue
            last_sign = time.monotonic()
            total = max(total, now.waiting)
            bars.update(bar, total=total, completed=total - now.waiting, rest=_rest(now))
    return now


def _rest(now: DescriptionProgress) -> str:
    if now.held_up:
        return f"[red]{plain(now.held_up)}"
    return "" if now.remaining_s is None else f"about {readable(now.remaining_s)} more"


def cost(asked: DescriptionsAsked) -> str:
    """How many, and what it takes, for people."""
    estimate = asked.estimate
    would = "would be" if asked.dry_run else "are to be"
    tokens = f"{estimate.input_tokens:,} tokens in and {estimate.output_tokens:,} out"
    lines = [f"{asked.asked:,} {would} described by {plain(asked.model)}: about {tokens}"]
    if estimate.cost is not None:
        lines[0] += f", price {estimate.cost:,.2f}"
    if estimate.seconds is not None:
        lines[0] += f", {readable(estimate.seconds)}"
    lines[0] += "."
    if asked.waiting:
        lines.append(f"{asked.waiting:,} more wait already.")
    if asked.described:
        lines.append(f"{asked.described:,} are described already; --again describes them again.")
    if asked.failed:
        lines.append(f"{asked.failed:,} could not be described; --failed tries them again.")
    if asked.unknown:
        lines.append(f"{asked.unknown:,} of the ids are not there.")
    return "\n".join(lines)


def told(now: DescriptionProgress) -> str:
    """How far it is, in lines for people."""
    by_hand = f" ({now.edited:,} by hand)" if now.edited else ""
    lines = [f"{now.described:,} are described{by_hand}, {now.waiting:,} wait."]
    if now.waiting and now.held_up:
        lines.append(f"Held up: {plain(now.held_up)}")
    if not now.enabled:
        lines.append("No vision model is set up; see docs/answers.md, or: viewfinder ask --check")
    if now.failed:
        lines.append(f"{now.failed:,} cannot be described:")
        lines += [f"  {one.image_id}  {plain(one.reason)}" for one in now.failures[:5]]
    return "\n".join(lines)


def readable(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
