"""Failures of an evaluation as one HTML page: people see at a glance what numbers hide."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import numpy as np

from bench.retrieval import Evaluation
from bench.retrieval_metrics import figures_of
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PixelPool

MAX_FAILURES = 100
_WIDTH = 240

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --right: #2e9e5b; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } .about { opacity: .75; margin: 0 0 1.5rem; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; } h2 small { font-weight: 400; opacity: .7; }
.row { display: flex; gap: .75rem; flex-wrap: wrap; }
figure { margin: 0; width: 200px; } figure img { width: 200px; height: 150px; object-fit: cover;
  border-radius: 8px; display: block; background: #8882; }
figure.right img { outline: 3px solid var(--right); outline-offset: -3px; }
figcaption { font-size: .8rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.gap { border-left: 1px solid var(--line); margin: 0 .25rem; }
"""


def write_contact_sheet(evaluation: Evaluation, pool: PixelPool, file: Path) -> int:
    """Write the worst failures to `file`; how many were shown.

    A failure is a question whose first picture is wrong. Shown are the best right picture and the
    first four, right ones with a green frame.
    """
    ranking, dataset = evaluation.ranking, evaluation.dataset
    worst = np.argsort(-ranking.best_rank, kind="stable")
    failures = [int(q) for q in worst if ranking.best_rank[q] > 1][:MAX_FAILURES]
    thumbnails = _Thumbnails(pool, dataset.pictures)
    sections = []
    for number in failures:
        question = dataset.questions[number]
        shown = [_figure(thumbnails, int(ranking.best_right[number]), is_right=True)]
        shown.append('<div class="gap"></div>')
        shown += [
            _figure(thumbnails, int(index), is_right=int(index) in question.right)
            for index in ranking.first[number]
        ]
        sections.append(
            f"<section><h2>{escape(question.text)}"
            f" <small>its picture came {ranking.best_rank[number]:,}.</small></h2>"
            f'<div class="row">{"".join(shown)}</div></section>'
        )
    file.write_text(_page(evaluation, sections), encoding="utf-8")
    return len(failures)


def _page(evaluation: Evaluation, sections: list[str]) -> str:
    figures = figures_of(evaluation.ranking)
    failed = int((evaluation.ranking.best_rank > 1).sum())
    about = (
        f"{evaluation.encoder}: {len(evaluation.dataset.questions):,} questions,"
        f" {len(evaluation.dataset.pictures):,} pictures; R@1 {figures['r_at_1']:.1f},"
        f" R@10 {figures['r_at_10']:.1f}, MRR {figures['mrr']:.3f}. {failed:,} questions did not"
        f" find a right picture first; the worst {len(sections)} are shown: the right picture,"
        " then the first four that were found."
    )
    title = f"Failures on {evaluation.dataset.name}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{escape(title)}</h1><p class="about">{escape(about)}</p>{"".join(sections)}'
        "</body></html>\n"
    )


def _figure(thumbnails: _Thumbnails, index: int, is_right: bool) -> str:
    name = escape(thumbnails.name(index), quote=True)
    frame = ' class="right"' if is_right else ""
    return (
        f'<figure{frame}><img loading="lazy" alt="{name}" src="{thumbnails.uri(index)}">'
        f'<figcaption title="{name}">{name}</figcaption></figure>'
    )


class _Thumbnails:
    """Each made once; the page must be one file, so they are inside of it."""

    def __init__(self, pool: PixelPool, pictures: list[Path]) -> None:
        self._pool = pool
        self._pictures = pictures
        self._made: dict[int, str] = {}

    def name(self, index: int) -> str:
        return self._pictures[index].name

    def uri(self, index: int) -> str:
        if index not in self._made:
            try:
                data = self._pool.render(self._pictures[index], _WIDTH, "webp")
            except ViewfinderError:
                data = b""
            self._made[index] = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
        return self._made[index]
