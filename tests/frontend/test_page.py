"""The page, driven through Streamlit's own AppTest; what a browser sees is in tests/end_to_end."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.frontend.conftest import FakeGateway, record

APP = str(Path(__file__).parents[2] / "frontend" / "app.py")
TIMEOUT_S = 30


def page() -> AppTest:
    return AppTest.from_file(APP, default_timeout=TIMEOUT_S).run()


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.error, *app.warning, *app.success]
    return "\n".join([*(str(element.value) for element in shown), *markups(app)])


def markups(app: AppTest) -> list[str]:
    return [element.proto.body for element in app.get("html")]


def test_an_empty_installation_says_what_to_do(gateway: FakeGateway) -> None:
    app = page()
    assert not app.exception
    assert "No pictures yet" in texts(app)
    assert app.expander[0].proto.expanded


def test_the_newest_pictures_are_shown_by_address_only(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg"), record("b2", "dog.jpg")]
    html = "\n".join(markups(page()))
    assert f'src="{gateway.url}/images/a1/content?width=320&amp;format=webp"' in html
    assert f'src="{gateway.url}/images/b2/content?width=320&amp;format=webp"' in html
    assert "data:" not in html


def test_a_description_is_searched_for_and_scores_are_shown(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.text_input(key="query").set_value("  a cat ").run()
    assert [search["query"] for search in gateway.searches] == ["a cat"]
    assert "0.500" in texts(app)


def test_more_like_this_shows_the_others(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg"), record("b2", "dog.jpg")]
    app = page()
    app.button(key="like-a1").click().run()
    keys = {button.key for button in app.button}
    assert "open-b2" in keys
    assert "open-a1" not in keys
    assert "cat" in texts(app)
    app.button(key="back").click().run()
    assert "open-a1" in {button.key for button in app.button}


def test_filters_go_with_the_search(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.multiselect(key="filter-types").set_value(["PNG"]).run()
    app.slider(key="least-score").set_value(0.2).run()
    app.text_input(key="query").set_value("a cat").run()
    assert gateway.searches[-1]["filters"] == {"media_type": ["image/png"]}
    assert gateway.searches[-1]["score_threshold"] == pytest.approx(0.2)


def test_a_link_with_a_query_opens_on_that_search(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = AppTest.from_file(APP, default_timeout=TIMEOUT_S)
    app.query_params["q"] = "a red boat"
    app.run()
    assert gateway.searches[-1]["query"] == "a red boat"


def test_a_file_name_is_never_markup(gateway: FakeGateway) -> None:
    evil = "<script>alert(1)</script>**bold**.jpg"
    gateway.images = [record("a1", evil)]
    app = page()
    assert "<script>" not in "\n".join(markups(app))
    assert "&lt;script&gt;" in "\n".join(markups(app))
    assert "**bold**" not in app.button(key="open-a1").label


def test_the_dialog_shows_what_is_known(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.button(key="open-a1").click().run()
    shown = texts(app)
    assert "640 x 480 pixels, 123.5 kB" in shown
    assert "width=1600" in shown


def test_a_gateway_that_is_away_is_said_with_what_to_do(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIEWFINDER_API_URL", "http://127.0.0.1:9")
    st.cache_resource.clear()
    app = page()
    assert not app.exception
    assert "viewfinder up" in texts(app)


def test_a_problem_is_shown_in_its_own_words(gateway: FakeGateway) -> None:
    gateway.problem = {
        "type": "about:blank",
        "title": "Too many requests",
        "status": 429,
        "detail": "search is busy",
        "code": "overloaded",
        "fields": {"what": "search", "retry_after_s": 3},
    }
    app = page()
    assert "Too many requests" in texts(app)
    assert not app.exception
