import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from bench.contact_sheet import write_contact_sheet
from bench.retrieval import Evaluation, NamedEncoder, evaluate
from bench.retrieval_dataset import captions_dataset
from tests.bench.conftest import COLOURS, ColourEncoder
from viewfinder.pixels import PixelPool

Write = Callable[[str, str], Path]
EVIL = "<script>alert('red & \"blue\"')</script> $title"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def evaluation(picture: Write, pool: PixelPool) -> Evaluation:
    """Its first encoder does not know red, so it misses the red picture."""
    rows = [(picture(f"{c}/<{c}>.png", c), [f"{c} thing"]) for c in COLOURS]
    rows[0] = (rows[0][0], [EVIL])
    encoders = [
        NamedEncoder("A<b>", ColourEncoder(blind="red")),
        NamedEncoder("B", ColourEncoder()),
    ]
    return evaluate(captions_dataset(rows), encoders, pool, Console(file=io.StringIO()))


def test_failures_are_shown_with_all_text_escaped(
    evaluation: Evaluation, pool: PixelPool, tmp_path: Path
) -> None:
    file = tmp_path / "sheet.html"
    write_contact_sheet(file, evaluation, pool, 10, title="<data>")
    page = file.read_text("utf-8")
    tags = Tags()
    tags.feed(page)
    assert "script" not in {tag for tag, _ in tags.found}
    assert "&lt;script&gt;alert(" in page
    assert "$title" in page  # from the query: never filled in
    assert "A&lt;b&gt;" in page
    assert "Failures: &lt;data&gt;" in page
    assert len(re.findall("<article>", page)) == 1


def test_the_page_needs_nothing_beside_itself(
    evaluation: Evaluation, pool: PixelPool, tmp_path: Path
) -> None:
    file = tmp_path / "sheet.html"
    write_contact_sheet(file, evaluation, pool, 10, title="data")
    tags = Tags()
    tags.feed(file.read_text("utf-8"))
    images = [attributes for tag, attributes in tags.found if tag == "img"]
    # The right picture and three that were found (there are no more), for each encoder.
    assert len(images) == 8
    assert all(str(image["src"]).startswith("data:image/webp;base64,") for image in images)
    assert {image["alt"] for image in images} == {f"<{colour}>.png" for colour in COLOURS}
    assert not {"link", "iframe"} & {tag for tag, _ in tags.found}


def test_both_encoders_say_where_they_had_the_right_picture(
    evaluation: Evaluation, pool: PixelPool, tmp_path: Path
) -> None:
    file = tmp_path / "sheet.html"
    write_contact_sheet(file, evaluation, pool, 10, title="data")
    places = re.findall(r"right picture at (\d+)", file.read_text("utf-8"))
    assert places[1] == "1"
    assert int(places[0]) > 1


def test_only_as_many_failures_as_asked_for_and_a_note_when_there_are_none(
    picture: Write, pool: PixelPool, tmp_path: Path
) -> None:
    rows = [(picture(f"{c}.png", c), [f"{c} thing"] * 3) for c in COLOURS]
    for blind, failures, articles in (("", 5, 0), ("red", 2, 2)):
        encoder = NamedEncoder("A", ColourEncoder(blind=blind))
        found = evaluate(captions_dataset(rows), [encoder], pool, Console(file=io.StringIO()))
        file = tmp_path / "sheet.html"
        write_contact_sheet(file, found, pool, failures, title="data")
        page = file.read_text("utf-8")
        assert len(re.findall("<article>", page)) == articles
        assert ("Every query found its picture first" in page) == (articles == 0)


def test_a_picture_that_went_away_meanwhile_is_a_note_not_an_end(
    evaluation: Evaluation, pool: PixelPool, tmp_path: Path
) -> None:
    for path in evaluation.dataset.pictures:
        path.unlink()
    write_contact_sheet(tmp_path / "sheet.html", evaluation, pool, 10, title="data")
    assert "cannot be read any more" in (tmp_path / "sheet.html").read_text("utf-8")


def test_a_page_that_cannot_be_written_leaves_nothing_behind(
    evaluation: Evaluation, pool: PixelPool, tmp_path: Path
) -> None:
    (tmp_path / "sheet.html").mkdir()
    with pytest.raises(OSError, match=r"sheet\.html"):
        write_contact_sheet(tmp_path / "sheet.html", evaluation, pool, 10, title="data")
    assert not list(tmp_path.glob(".report-*"))
