"""The dialog that asks the pictures."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from tests.frontend.conftest import FakeGateway, record
from tests.frontend.test_page import markups, page, problem, texts

EVIL = "<script>alert(1)</script> **bold** [link](http://evil) $x$"


def source(number: int, image_id: str, name: str, **values: Any) -> dict[str, Any]:
    return {
        "number": number,
        "id": image_id,
        "file_name": name,
        "url": f"/images/{image_id}/content",
        "thumbnail_url": f"/images/{image_id}/content?width=320&format=webp",
        **values,
    }


def events(*pieces: str, sources: list[dict[str, Any]], error: dict[str, Any] | None = None) -> str:
    done = {
        "question": "?",
        "answer": "".join(pieces),
        "found": bool(sources),
        "sources": sources,
        "used": [one["id"] for one in sources],
        "cited": [one["id"] for one in sources[:1]],
        "model": "m",
        "timings": {"total_ms": 1500},
    }
    found = [("sources", {"sources": sources, "model": "m"})]
    found += [("token", {"text": piece}) for piece in pieces]
    found.append(("done", done) if error is None else ("error", error))
    return "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in found)


def dialog(gateway: FakeGateway, query: str = "") -> AppTest:
    gateway.images = gateway.images or [record("a1", "cat.jpg")]
    app = page()
    if query:
        app.text_input(key="query").set_value(query).run()
    return app.button(key="ask").click().run()


def ask(app: AppTest, question: str) -> AppTest:
    return app.chat_input(key="ask-question").set_value(question).run()


def html(app: AppTest) -> str:
    return "\n".join(markups(app))


def test_an_answer_is_shown_with_the_pictures_it_is_about(gateway: FakeGateway) -> None:
    gateway.answer_events = events(
        "A grey ", "cat [1].", sources=[source(1, "a1", "cat.jpg", relevance=0.8)]
    )
    app = ask(dialog(gateway), "What is it?")
    assert not app.exception
    shown = html(app)
    assert ">What is it?</p>" in shown
    assert "A grey cat [1].</div>" in shown
    assert f'src="{gateway.url}/images/a1/content?width=320&amp;format=webp"' in shown
    assert "[1] cat.jpg · 80\u202f%" in shown
    assert gateway.questions[0]["top_k"] == 1


def test_what_a_model_says_is_text_and_nothing_else(gateway: FakeGateway) -> None:
    gateway.answer_events = events(EVIL, sources=[source(1, "a1", EVIL)])
    app = ask(dialog(gateway), EVIL)
    shown = html(app)
    assert "<script>alert" not in shown
    assert (
        shown.count("&lt;script&gt;alert(1)&lt;/script&gt; **bold** [link](http://evil) $x$") >= 3
    )
    assert not [one for one in app.markdown if "evil" in str(one.value)]


def test_a_follow_up_is_about_the_same_pictures(gateway: FakeGateway) -> None:
    gateway.answer_events = events("Grey.", sources=[source(1, "a1", "cat.jpg")])
    app = ask(ask(dialog(gateway), "Which colour?"), "And its eyes?")
    second = gateway.questions[1]
    assert (second["image_ids"], second["search"]) == (["a1"], False)
    assert [one["content"] for one in second["messages"]] == ["Which colour?", "Grey."]
    assert html(app).count('<div class="vf-source') == 1  # not shown again
    app.toggle(key="ask-stay").set_value(False).run()
    ask(app, "Another one?")
    assert gateway.questions[2]["search"] is True


def test_what_was_searched_for_is_what_is_asked_about(gateway: FakeGateway) -> None:
    gateway.answer_events = events("Yes.", sources=[source(1, "a1", "cat.jpg")])
    ask(dialog(gateway, "a cat"), "Is it asleep?")
    assert gateway.questions[0]["query"] == "a cat"


def test_the_picture_that_is_open_is_asked_about(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg"), record("b2", "dog.jpg")]
    gateway.answer_events = events("Yes.", sources=[source(1, "b2", "dog.jpg")])
    app = page()
    app.button(key="open-b2").click().run()
    app.button(key="dialog-ask").click().run()
    assert not app.exception
    ask(app, "Is it asleep?")
    assert gateway.questions[0]["image_ids"] == ["b2"]
    app.button(key="ask-anew").click().run()
    ask(app, "And the others?")
    assert "image_ids" not in gateway.questions[1]


def test_starting_anew_forgets(gateway: FakeGateway) -> None:
    gateway.answer_events = events("Grey.", sources=[source(1, "a1", "cat.jpg")])
    app = ask(dialog(gateway), "Which colour?")
    app.button(key="ask-anew").click().run()
    assert "Grey." not in html(app)
    ask(app, "What?")
    assert "messages" not in gateway.questions[1]


def test_without_a_model_it_says_how_to_set_one_up(gateway: FakeGateway) -> None:
    detail = "Asking needs a vision model: set LLM_ENABLED=true"
    gateway.vision = {"enabled": False, "ready": False, "detail": detail}
    gateway.descriptions.is_on = False
    app = dialog(gateway)
    assert not app.exception
    assert any("ollama pull" in str(one.value) for one in app.code)
    assert not app.chat_input


def test_a_model_that_is_away_is_named_and_the_page_stands(gateway: FakeGateway) -> None:
    gateway.vision |= {"ready": False, "detail": "nothing answers there"}
    fields = {"model": "m", "server": "s", "reason": "nothing answers there"}
    gateway.answer_events = events(
        "It is", sources=[], error={**problem(503, "x", "llm_unavailable"), "fields": fields}
    )
    app = ask(dialog(gateway), "What?")
    assert not app.exception
    assert "nothing answers there" in texts(app).replace("\\", "")
    assert any("vision model is away" in str(one.value) for one in app.error)
    assert ">It is</div>" in html(app)
    assert 'src="' in html(app)  # the gallery
    gateway.answer_events = events("Grey.", sources=[source(1, "a1", "cat.jpg")])
    ask(app, "And now?")
    assert "messages" not in gateway.questions[-1]


def test_a_picture_that_is_opened_lies_over_the_conversation(gateway: FakeGateway) -> None:
    gateway.answer_events = events("Grey.", sources=[source(1, "a1", "cat.jpg")])
    app = ask(dialog(gateway), "Which colour?")
    app.button(key="open-source-0-1").click().run()
    assert not app.exception
    assert not app.chat_input
    assert app.button(key="dialog-like")
    del app.session_state["open"]  # as closing it does
    app.run()
    assert "Grey.</div>" in html(app)
    app.button(key="open-source-0-1").click().run()
    app.button(key="dialog-like").click().run()
    assert not app.exception
    assert not app.chat_input


def test_what_no_picture_is_about_is_no_part_of_the_conversation(gateway: FakeGateway) -> None:
    gateway.answer_events = events("Give image_ids.", sources=[])
    app = ask(dialog(gateway), "What?")
    assert "None of your pictures" in html(app)
    assert "image_ids" not in html(app)
    ask(app, "And now?")
    assert "messages" not in gateway.questions[1]


def test_a_gateway_that_went_away_is_said_and_nothing_breaks(gateway: FakeGateway) -> None:
    app = dialog(gateway)
    gateway.problem = problem(503, "it does not answer", "service_unavailable")
    gateway.problem["fields"] = {"service": "search_service", "reason": "gone"}
    for question in ("What?", "And now?"):
        ask(app, question)
        assert not app.exception
    assert len([one for one in app.error if "gone" in str(one.value)]) >= 2
