"""`viewfinder ask`: questions about pictures, answered by a vision model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from viewfinder.api_answers import (
    MAX_MESSAGE_CHARS,
    MAX_MESSAGES,
    MAX_SHOWN,
    AnswerResponse,
    AnswerSource,
    AnswerSources,
    AnswerToken,
)
from viewfinder.cli.connection import INTERRUPTED, NOT_DONE, WRONG_ARGUMENT, fail, gateway
from viewfinder.cli.filters import parse_filters
from viewfinder.cli.output import percent, plain
from viewfinder.cli.pictures import Api, AsJson, Filters, Mode
from viewfinder.client import Client
from viewfinder.client_questions import Message, QuestionOptions

ASK_HELP = """Ask a question about your pictures; a vision model looks at those that fit best.

    viewfinder ask "what is written on the red sign?"

    viewfinder ask "which of these dogs is the oldest?" --query "a dog" --top-k 3

    viewfinder ask "and its collar?" --image 4f6b66be-b371-8c36-7299-c77f5b771ca0

    viewfinder ask "what is on the invoice of March?" --chat

With --chat further questions are about the same pictures; one that starts with / searches again,
an empty one ends it. `viewfinder ask --check` says whether a model is set up. Exit status: 0
answered; 1 not; 2 wrong argument; 130 stopped with Ctrl-C.
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("ask", help=ASK_HELP)(ask)


def ask(
    question: Annotated[str | None, typer.Argument(help="In any language.")] = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="ID", help="About this picture; may be repeated."),
    ] = None,
    top_k: Annotated[
        int, typer.Option("--top-k", "-k", min=1, max=MAX_SHOWN, help="Look at so many.")
    ] = 1,
    query: Annotated[
        str | None, typer.Option(help="Search for this, if not for the question.")
    ] = None,
    filters: Filters = None,
    min_relevance: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Do not look at what fits less probably."),
    ] = None,
    mode: Mode = "auto",
    chat: Annotated[bool, typer.Option("--chat", help="Go on asking.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say whether a model can answer.")] = False,
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """See ASK_HELP."""
    console = Console(highlight=False)
    if check:
        _check(console, api)
        return
    if question is None and not chat:
        raise fail("Give a question", WRONG_ARGUMENT)
    options: QuestionOptions = {"top_k": top_k, "mode": mode}
    if query is not None:
        options["query"] = query
    if min_relevance is not None:
        options["min_relevance"] = min_relevance
    if images:
        options["image_ids"] = images
    try:
        options["filters"] = parse_filters(filters or [])
    except ValueError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    with gateway(api) as client:
        try:
            if as_json:
                print(client.ask(question or "", **options).model_dump_json(indent=2))
            else:
                _converse(console, client, question, options, goes_on=chat)
        except KeyboardInterrupt:
            console.print()
            raise typer.Exit(INTERRUPTED) from None


def _check(console: Console, api: str | None) -> None:
    with gateway(api) as client:
        status = client.vision_status()
    if status.ready:
        console.print(f"{status.model} of {status.server} is ready.", markup=False)
        return
    raise fail(status.detail or "The vision model is not ready", NOT_DONE)


def _converse(
    console: Console,
    client: Client,
    question: str | None,
    options: QuestionOptions,
    *,
    goes_on: bool,
) -> None:
    messages: list[Message] = []
    while True:
        if question:
            done = _answer(console, client, question, options)
            messages += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": done.answer[:MAX_MESSAGE_CHARS] or "?"},
            ]
            messages = messages[-MAX_MESSAGES:]
            options["messages"] = messages
            if done.used:
                options["image_ids"] = done.used
            options["search"] = False
        if not goes_on:
            return
        question = _next_question(console)
        if question is None:
            return
        if question.startswith("/"):
            question = question.removeprefix("/").strip()
            options["search"] = True
            options.pop("query", None)


def _next_question(console: Console) -> str | None:
    try:
        return console.input("\n> " if sys.stdin.isatty() else "").strip() or None
    except EOFError:
        return None


def _answer(
    console: Console, client: Client, question: str, options: QuestionOptions
) -> AnswerResponse:
    """Shows it as it comes, and then which pictures it is about."""
    with console.status("looking …") as waiting:
        for event in client.ask_stream(question, **options):
            if isinstance(event, AnswerSources):
                count = len(event.sources)
                waiting.update(f"{event.model} looks at {count} picture{'s'[: count != 1]} …")
            elif isinstance(event, AnswerToken):
                waiting.stop()
                lines = event.text.replace("\t", " ").split("\n")
                console.print("\n".join(map(plain, lines)), end="", soft_wrap=True)
            else:
                console.print()
                for source in event.sources:
                    console.print(_line(client, source, event), style="dim", soft_wrap=True)
                return event
    raise AssertionError("ask_stream ends with the answer, or raises")


def _line(client: Client, source: AnswerSource, answer: AnswerResponse) -> str:
    page = f", page {source.page}" if source.page else ""
    fit = f", {percent(source.relevance)}" if source.relevance is not None else ""
    # Only where there are several does it say something which of them the answer names.
    named = " (named)" if source.id in answer.cited and len(answer.sources) > 1 else ""
    number = f"\\[{source.number}]"
    name = plain(source.file_name)
    return f"{number} {name}{page}{fit}{named}  {source.id}  {client.absolute(source.url)}"
