"""A page of failures: one self-contained HTML file, to look at why pictures were not found."""

from __future__ import annotations

import base64
import html
import os
import tempfile
from pathlib import Path
from string import Template

import numpy as np

from bench.retrieval import Evaluation, Judged
from bench.retrieval_dataset import Query
from bench.retrieval_table import TITLES, shown
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PixelPool

_THUMBNAIL_WIDTH = 176
_TEMPLATE = Path(__file__).with_name("contact_sheet.html")


def write_contact_sheet(
    file: Path, evaluation: Evaluation, pool: PixelPool, failures: int, title: str
) -> None:
    """Write the worst `failures` of the first encoder: the farther down the right picture came,
    the worse. What the second encoder makes of them stands below.

    Raises:
        OSError: it cannot be written. An older file is left as it was.
    """
    first = evaluation.judged[0]
    places = first.ranking.first
    missed = np.flatnonzero(places > 1)
    worst = missed[np.argsort(-places[missed], kind="stable")][:failures]
    thumbnails = _Thumbnails(evaluation, pool)
    articles = [_article(evaluation, int(number), thumbnails) for number in worst]
    page = Template(_TEMPLATE.read_text("utf-8")).substitute(
        title=html.escape(title),
        encoders=html.escape(" and ".join(judged.title for judged in evaluation.judged)),
        summary=_summary(evaluation, len(missed), len(worst)),
        figures=_figures(evaluation),
        failures="\n".join(articles) or "<p>Every query found its picture first.</p>",
        broken=_broken(evaluation),
    )
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=file.absolute().parent, prefix=".report-", delete=False
    ) as new:
        try:
            new.write(page)
            new.close()
            # A temporary file is for its owner only; a report is as others of the folder.
            umask = os.umask(0)
            os.umask(umask)
            Path(new.name).chmod(0o666 & ~umask)
            Path(new.name).replace(file)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


class _Thumbnails:
    """Small pictures as data URIs, each made once."""

    def __init__(self, evaluation: Evaluation, pool: PixelPool) -> None:
        self._pictures = evaluation.dataset.pictures
        self._pool = pool
        folders = [str(picture.absolute().parent) for picture in self._pictures]
        self._root = Path(os.path.commonpath(folders))
        self._made: dict[int, str] = {}

    def image(self, picture: int) -> str:
        """An <img>, or a note for a picture that was there and now is not."""
        path = self._pictures[picture]
        if picture not in self._made:
            try:
                small = self._pool.render(path, _THUMBNAIL_WIDTH, "webp")
            except (ViewfinderError, OSError):
                self._made[picture] = ""
            else:
                self._made[picture] = base64.b64encode(small).decode("ascii")
        data = self._made[picture]
        if not data:
            return '<span class="gone">cannot be read any more</span>'
        name = html.escape(path.name)
        return f'<img loading="lazy" alt="{name}" src="data:image/webp;base64,{data}">'

    def figure(self, picture: int, note: str, kind: str) -> str:
        """The picture with its file name and a note below."""
        path = self._pictures[picture]
        name = path.absolute().relative_to(self._root).as_posix()
        return (
            f'<figure class="{kind}">{self.image(picture)}<figcaption>'
            f"<b>{html.escape(note)}</b>"
            f'<span title="{html.escape(str(path))}">{html.escape(name)}</span>'
            "</figcaption></figure>"
        )


def _article(evaluation: Evaluation, number: int, thumbnails: _Thumbnails) -> str:
    query = evaluation.dataset.queries[number]
    rows = [_row(judged, query, number, thumbnails) for judged in evaluation.judged]
    many = len(query.right)
    note = f'<span class="many">{many} right pictures</span>' if many > 1 else ""
    return f"<article><h2>{html.escape(query.text)}</h2>{note}{''.join(rows)}</article>"


def _row(judged: Judged, query: Query, number: int, thumbnails: _Thumbnails) -> str:
    ranking = judged.ranking
    place = int(ranking.first[number])
    score = float(ranking.right_scores[number])
    right = thumbnails.figure(int(ranking.best_right[number]), f"{score:.3f}", "right")
    found = [
        thumbnails.figure(
            int(picture), f"{found_score:.3f}", "right" if picture in query.right else "wrong"
        )
        for picture, found_score in zip(
            ranking.top[number], ranking.top_scores[number], strict=True
        )
        if picture >= 0
    ]
    kind = "good" if place == 1 else "near" if place <= 10 else "far"
    return (
        f'<p class="who">{html.escape(judged.title)}</p>'
        f'<div class="row"><div class="wanted">'
        f'<p class="who"><span class="{kind}">right picture at {place:,}</span></p>{right}</div>'
        f'<div class="found"><p class="who">found first</p>'
        f'<div class="strip">{"".join(found)}</div></div></div>'
    )


def _summary(evaluation: Evaluation, missed: int, on_page: int) -> str:
    dataset = evaluation.dataset
    share = missed / len(dataset.queries)
    return (
        f"{len(dataset.queries):,} queries among {len(dataset.pictures):,} pictures."
        f" {missed:,} ({share:.1%}) did not find their picture first with"
        f" {html.escape(evaluation.judged[0].title)}; the worst {on_page:,} are below,"
        " the worst first."
    )


def _figures(evaluation: Evaluation) -> str:
    judged, compared = evaluation.judged, bool(evaluation.differences)
    head = "".join(f"<th>{html.escape(one.title)}</th>" for one in judged)
    head += "<th>difference</th><th>95 % interval</th>" if compared else ""
    rows = []
    figures = [one.figures() for one in judged]
    for name, title in TITLES.items():
        cells = [shown(name, of_one[name]) for of_one in figures]
        if name in evaluation.differences:
            found = evaluation.differences[name]
            interval = f"{shown(name, found.low, '+')} .. {shown(name, found.high, '+')}"
            cells += [shown(name, found.value, "+"), interval]
        elif compared:
            cells += [shown(name, figures[1][name] - figures[0][name], "+"), ""]
        rows.append(f"<tr><th>{title}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table><tr><td></td>{head}</tr>{''.join(rows)}</table>"


def _broken(evaluation: Evaluation) -> str:
    if not evaluation.broken:
        return ""
    lines = "".join(
        f"<li>{html.escape(str(picture.path))}: {html.escape(picture.reason)}</li>"
        for picture in evaluation.broken
    )
    return f"<section><h2>Pictures that cannot be read, left out</h2><ul>{lines}</ul></section>"
