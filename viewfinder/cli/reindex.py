"""`viewfinder reindex`: moving all pictures to another encoder while searches go on."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from viewfinder.api_models import EncoderInfo, Reindex
from viewfinder.cli.connection import INTERRUPTED, WRONG_ARGUMENT, fail, gateway
from viewfinder.client import GIVE_UP_AFTER_S, Client
from viewfinder.errors import DeadlineExceeded, ServiceUnavailable

REINDEX_HELP = """Move all pictures to another encoder, without a second of downtime.

Every picture is embedded again in the background. Searches are answered with the encoder of now
until all are done, then with the other one, from one search to the next. It goes on after a stop,
a kill or a restart, and uploads go on meanwhile.

    viewfinder reindex --model ViT-B-32--laion2b_s34b_b79k

    viewfinder reindex --status

    viewfinder reindex --rollback

Ctrl-C stops watching, not the work. Exit status: 0 switched, or as asked; 2 not possible now.
"""

_POLL_S = 0.5

Api = Annotated[
    str | None, typer.Option("--api", help="Address of the gateway; else VIEWFINDER_API_URL.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reindex", help=REINDEX_HELP)(reindex)


def reindex(
    model: Annotated[
        str | None, typer.Option("--model", help="The encoder to move to; see `models list`.")
    ] = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="With --model: do not switch when all are done.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Show the progress until it is done.")] = True,
    switch: Annotated[
        bool, typer.Option("--switch", help="Switch to the encoder that was held.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Back to the encoder before, at once.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop, and drop what is done.")] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Drop the vectors of the encoder before: no way back."),
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how far it is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: the end as JSON.")] = False,
    api: Api = None,
) -> None:
    """See REINDEX_HELP."""
    actions = [model is not None, switch, rollback, cancel, forget, status]
    if sum(actions) > 1 or (hold and model is None):
        raise fail(
            "Give one of --model (with or without --hold), --switch, --rollback, --cancel,"
            " --forget, --status",
            WRONG_ARGUMENT,
        )
    console = Console(highlight=False)
    with gateway(api) as client:
        if model is not None:
            now = client.start_reindex(model, hold=hold)
        elif switch or rollback:
            now = client.switch_encoder(back=rollback)
        elif cancel or forget:
            now = client.forget_encoder(previous=forget)
        else:
            now = client.reindex()
        if wait and (model is not None or switch or rollback):
            try:
                now = _watch(client, now, is_quiet=as_json)
            except KeyboardInterrupt:
                console.print("It goes on in the background; see: viewfinder reindex --status")
                raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(now.model_dump_json(indent=2))
    else:
        console.print(told(now))


def _watch(client: Client, now: Reindex, is_quiet: bool) -> Reindex:
    """Until there is nothing to wait for; a gateway that restarts is waited for, too."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        disable=is_quiet or now.candidate is None,
    )
    last_sign = time.monotonic()
    with bars:
        bar = bars.add_task("Embedding again", total=now.total or None, completed=now.done)
        while now.state in {"running", "switching"}:
            time.sleep(_POLL_S)
            try:
                now = client.reindex()
            except (ServiceUnavailable, DeadlineExceeded):
                if time.monotonic() - last_sign > GIVE_UP_AFTER_S:
                    raise
                continue
            last_sign = time.monotonic()
            if now.candidate is not None:
                bars.update(bar, total=now.total, completed=now.done)
            elif bars.tasks[0].total:
                bars.update(bar, completed=bars.tasks[0].total)
    return now


def told(now: Reindex) -> str:
    """Where it stands, in lines for people, with what can be done next."""
    lines = [f"Searches are answered with {_name(now.active)}."]
    if now.state == "switching":
        lines.append("The index is being switched to it.")
    if now.candidate is not None:
        lines.append(f"{now.done:,} of {now.total:,} pictures are done for {_name(now.candidate)}.")
        if now.failed:
            lines.append(f"{now.failed:,} of them cannot be embedded with it.")
        if now.state == "ready":
            lines.append("Switch to it with: viewfinder reindex --switch")
    if now.previous is not None:
        lines.append(
            f"{_name(now.previous)} is kept: go back with `viewfinder reindex --rollback`,"
            " or free its disk space with `viewfinder reindex --forget`."
        )
    return "\n".join(lines)


def _name(encoder: EncoderInfo | None) -> str:
    if encoder is None:
        return "the encoder of the settings"
    return f"{encoder.name} (revision {encoder.revision})"
