"""The page, driven through Streamlit's own AppTest; what a browser sees is in tests/end_to_end."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.frontend.conftest import FakeGateway, problem, record
from tests.frontend.page_driver import (
    APP,
    TIMEOUT_S,
    drop,
    markups,
    page,
    texts,
    wait_for_uploads,
)


def test_an_empty_installation_says_what_to_do(gateway: FakeGateway) -> None:
    app = page()
    assert not app.exception
    assert "viewfinder index FOLDER" in texts(app)
    assert not [button for button in app.button if str(button.key).startswith("open-")]


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
    assert ">0.50</span>" in texts(app)


@pytest.mark.parametrize(
    ("relevance", "shown"),
    [
        (0.734, ">73\u202f%</span>"),
        (0.004, ">&lt;\u202f1\u202f%</span>"),
        (0.9999, ">&gt;\u202f99\u202f%</span>"),
    ],
)
def test_relevance_is_shown_in_place_of_the_score(
    gateway: FakeGateway, relevance: float, shown: str
) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    gateway.relevance = relevance
    app = page()
    app.text_input(key="query").set_value("a cat").run()
    assert shown in texts(app)
    assert "Cosine 0.5000" in texts(app)


def test_the_least_relevance_goes_with_the_search(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.text_input(key="query").set_value("a cat").run()
    app.slider(key="least-relevance").set_value(50).run()
    assert gateway.searches[-1]["min_relevance"] == 0.5
    app.button(key="clear-filters").click().run()
    assert gateway.searches[-1]["min_relevance"] == 0


def test_looking_at_a_picture_does_not_search_again(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.text_input(key="query").set_value("a cat").run()
    app.button(key="open-a1").click().run()
    assert "width=1600" in texts(app)
    assert len(gateway.searches) == 1


def test_a_search_asks_for_nothing_but_its_answer(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    listed = len(gateway.lists)
    app.text_input(key="query").set_value("a cat").run()
    assert len(gateway.lists) == listed


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


def test_back_leads_to_the_search_before(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg"), record("b2", "dog.jpg")]
    app = page()
    app.text_input(key="query").set_value("a cat").run()
    app.button(key="like-a1").click().run()
    assert app.text_input(key="query").value == ""
    app.button(key="back").click().run()
    assert app.text_input(key="query").value == "a cat"
    assert [search["query"] for search in gateway.searches] == ["a cat", "a cat"]


def test_filters_go_with_the_search(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.multiselect(key="filter-types").set_value(["PNG"]).run()
    app.slider(key="least-score").set_value(0.2).run()
    app.text_input(key="query").set_value("a cat").run()
    assert gateway.searches[-1]["filters"] == {"media_type": ["image/png"]}
    assert gateway.searches[-1]["score_threshold"] == pytest.approx(0.2)
    app.button(key="clear-filters").click().run()
    assert gateway.searches[-1]["filters"] == {}


def test_show_more_goes_on_where_the_page_before_ended(gateway: FakeGateway) -> None:
    gateway.images = [record(f"a{number}", f"{number}.jpg") for number in range(60)]
    app = page()
    app.text_input(key="query").set_value("a cat").run()
    for shown in (24, 48, 60):
        keys = {button.key for button in app.button}
        assert sum(str(key).startswith("open-") for key in keys) == shown
        if shown < 60:
            app.button(key="show-more").click().run()
    assert "show-more" not in keys
    assert [search.get("cursor") for search in gateway.searches] == [None, "24", "48"]
    assert [search.get("facets") for search in gateway.searches] == [["tags"], None, None]


def test_a_tag_of_the_pictures_found_filters_on_a_click(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    gateway.tags = [{"value": "pets", "count": 3}, {"value": "toys", "count": 2}]
    app = page()
    app.text_input(key="query").set_value("a cat").run()
    app.button_group(key="facet-tags").set_value("pets").run()
    assert gateway.searches[-1]["filters"] == {"tags": ["pets"]}
    assert not app.exception


def test_what_is_not_wanted_and_the_order_go_with_the_search(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.text_input(key="without").set_value(" a toy ").run()
    app.button_group(key="sort").set_value("newest").run()
    app.toggle(key="alike-once").set_value(True).run()
    app.text_input(key="query").set_value("a cat").run()
    asked = gateway.searches[-1]
    assert (asked["negative"], asked["sort"], asked["collapse"]) == ("a toy", "newest", 0.95)
    app.button(key="clear-filters").click().run()
    assert "negative" not in gateway.searches[-1]
    assert gateway.searches[-1]["sort"] == "relevance"


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
    assert "<script>alert" not in "\n".join(markups(app))
    assert "&lt;script&gt;alert" in "\n".join(markups(app))
    assert "**bold**" not in app.button(key="open-a1").label


def test_the_dialog_shows_what_is_known(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.button(key="open-a1").click().run()
    shown = texts(app)
    assert "640 x 480 pixels, 123.5 kB" in shown
    assert "width=1600" in shown


def test_tags_are_saved_as_they_are_changed(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.button(key="open-a1").click().run()
    app.multiselect(key="tags-a1").set_value([]).run()
    assert gateway.updates == [{"tags": []}]


def test_a_picture_is_deleted_after_a_second_click(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.button(key="open-a1").click().run()
    assert gateway.deleted == []
    app.button(key="delete-for-good").click().run()
    assert gateway.deleted == ["a1"]
    assert "width=1600" not in texts(app)


def test_dropped_files_become_searchable_and_a_refused_one_is_named(gateway: FakeGateway) -> None:
    gateway.refuses = {"notes.jpg": "'notes.jpg' is text/plain"}
    gateway.fails = {"odd.png": "its pixels cannot be read"}
    app = page()
    drop(app, "cat.jpg", "notes.jpg", "odd.png")
    assert "1 picture searchable" in texts(app)
    assert "2 files could not be added" in texts(app)
    assert r"'notes\.jpg' is text/plain" in texts(app)
    assert r"odd\.png\: its pixels cannot be read" in texts(app)
    assert "open-id-of-cat.jpg" in {button.key for button in app.button}


def test_what_could_not_be_sent_is_sent_on_request(gateway: FakeGateway) -> None:
    app = page()
    gateway.problem = problem(503, "upload is away", "service_unavailable")
    drop(app, "cat.jpg")
    assert "1 file not sent" in texts(app)
    gateway.problem = None
    app.button(key="send-again-0").click().run()
    wait_for_uploads(app)
    assert "1 picture searchable" in texts(app)


def test_a_gateway_that_is_away_is_said_with_what_to_do(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIEWFINDER_API_URL", "http://127.0.0.1:9")
    st.cache_resource.clear()
    app = page()
    assert not app.exception
    assert "viewfinder up" in texts(app)


def test_a_problem_is_shown_in_its_own_words(gateway: FakeGateway) -> None:
    gateway.problem = problem(429, "search is busy", "overloaded")
    gateway.problem["fields"] = {"what": "search", "retry_after_s": 3}
    app = page()
    assert "Too many requests" in texts(app)
    assert not app.exception


def test_names_and_tags_count_when_chosen(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    app.text_input(key="query").set_value("IMG_1234").run()
    app.selectbox(key="mode").set_value("hybrid").run()
    assert [search["mode"] for search in gateway.searches] == ["auto", "hybrid"]
