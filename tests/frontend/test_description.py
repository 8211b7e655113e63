"""What pictures show: in the dialog of one, and for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.frontend.conftest import FakeGateway, document, problem, record
from tests.frontend.page_driver import drop, markups, page, texts

EVIL = "<script>alert(1)</script> **bold**"
TOLD = {
    "caption": "A grey cat",
    "objects": ["cat", "bowl, empty"],
    "text": "Harlow",
    "colours": ["grey"],
    "setting": "a kitchen",
    "model": "m",
    "described_at": "2026-11-21T10:00:00Z",
}


def html(app: AppTest) -> str:
    return "\n".join(markups(app))


def labels(app: AppTest) -> list[str]:
    return [str(button.label) for button in app.button]


def opened(gateway: FakeGateway, description: dict[str, Any] | None = None) -> AppTest:
    gateway.images = [{**record("a1", "cat.jpg"), "description": description}]
    app = page()
    return app.button(key="open-a1").click().run()


def submit(app: AppTest, label: str) -> AppTest:
    (button,) = [one for one in app.button if one.label == label]
    return button.click().run()


def test_what_a_model_told_is_shown_as_text(gateway: FakeGateway) -> None:
    shown = html(opened(gateway, {**TOLD, "caption": EVIL, "text": EVIL}))
    assert "<script>alert" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt; **bold**") == 2
    assert "Told by m, 2026-11-21" in shown


def test_only_what_is_changed_changes(gateway: FakeGateway) -> None:
    app = opened(gateway, TOLD)
    app.button(key="description-edit").click().run()
    app.text_area[0].set_value("  A tabby  ")
    submit(app, "Save")
    assert not app.exception
    assert gateway.updates == [
        {
            "description": {
                "caption": "A tabby",
                "objects": ["cat", "bowl, empty"],
                "text": "Harlow",
                "colours": ["grey"],
                "setting": "a kitchen",
            }
        }
    ]
    assert "Written by hand" in html(app)
    assert "Save" not in labels(app)


def test_words_are_told_apart_by_commas(gateway: FakeGateway) -> None:
    app = opened(gateway)
    app.button(key="description-edit").click().run()
    app.text_area[0].set_value("A tabby")
    next(one for one in app.text_input if one.label == "Things in it").set_value(" cat,, tail ,")
    submit(app, "Save")
    assert gateway.updates[0]["description"]["objects"] == ["cat", "tail"]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [("Things in it", "x" * 81, "Things in it: "), ("What it shows", " ", "Say in a sentence")],
)
def test_what_cannot_be_saved_is_said_and_stays_typed(
    gateway: FakeGateway, field: str, value: str, told: str
) -> None:
    app = opened(gateway, TOLD)
    app.button(key="description-edit").click().run()
    next(one for one in [*app.text_input, *app.text_area] if one.label == field).set_value(value)
    submit(app, "Save")
    assert not app.exception
    assert told in texts(app)
    assert gateway.updates == []
    assert value in [one.value for one in [*app.text_input, *app.text_area]]


def test_a_description_is_removed_or_left_as_it_was(gateway: FakeGateway) -> None:
    app = opened(gateway, TOLD)
    app.button(key="description-edit").click().run()
    submit(app, "Cancel")
    assert gateway.updates == []
    assert "A grey cat" in html(app)
    app.button(key="description-edit").click().run()
    submit(app, "Remove")
    assert gateway.updates == [{"description": None}]
    assert "Nobody has described it yet" in html(app)


def test_a_model_is_asked_for_this_picture_and_shown_waiting(gateway: FakeGateway) -> None:
    app = opened(gateway, TOLD)
    app.button(key="description-describe").click().run()
    assert gateway.descriptions.asked == [{"ids": ["a1"], "again": True}]
    assert "m looks at it" in html(app)
    assert "description-describe" not in [button.key for button in app.button]
    gateway.descriptions.held_up = "nothing answers <there>"
    app.run()
    assert "It waits: nothing answers &lt;there&gt;. It is tried again by itself." in html(app)
    gateway.descriptions.waiting = []
    app.run()
    assert not app.exception
    assert app.button(key="description-describe")


def test_why_it_could_not_be_described_is_said(gateway: FakeGateway) -> None:
    gateway.descriptions.failures = [{"image_id": "a1", "file_name": "c", "reason": "no JSON"}]
    app = opened(gateway)
    assert "It could not be described: no JSON" in html(app)
    assert app.button(key="description-describe").label == "Describe this picture"


def test_what_was_written_by_hand_is_not_replaced_by_one_click(gateway: FakeGateway) -> None:
    app = opened(gateway, {**TOLD, "edited": True})
    assert app.button(key="description-describe").label == "Replace it"


def test_pages_have_descriptions_of_their_own(gateway: FakeGateway) -> None:
    gateway.images = document("1ee5c9bc-4a2e-4be5-a6ad-8a0ba6ba1c52", "report.pdf", 2)
    app = page()
    app.button(key=f"open-{gateway.images[0]['id']}").click().run()
    app.button(key="description-describe").click().run()
    assert gateway.descriptions.asked[0]["ids"] == [gateway.images[1]["id"]]


def test_without_a_model_one_may_still_write(gateway: FakeGateway) -> None:
    gateway.descriptions.is_on = False
    app = opened(gateway)
    assert not app.exception
    assert any("LLM_ENABLED=true" in str(one.value) for one in app.code)
    assert app.button(key="description-edit").label == "Write it yourself"


# --- all of them ---


def descriptions(gateway: FakeGateway, count: int = 3) -> AppTest:
    gateway.images = gateway.images or [
        record(f"a{number}", f"{number}.jpg") for number in range(count)
    ]
    return page().button(key="descriptions").click().run()


def test_what_it_takes_is_said_before_anything_is_described(gateway: FakeGateway) -> None:
    app = descriptions(gateway)
    assert "1,234 in, 567 out" in html(app)
    assert "0.25" in html(app)
    assert gateway.descriptions.asked == []
    app.button(key="describe-all").click().run()
    assert gateway.descriptions.asked == [{"all": True}]


def test_only_the_newest_may_be_chosen(gateway: FakeGateway) -> None:
    app = descriptions(gateway, 101)
    app.button_group(key="describe-limit").set_value(100).run()
    app.button(key="describe-all").click().run()
    assert gateway.descriptions.asked == [{"all": True, "limit": 100}]


def test_the_page_shows_how_far_they_are_and_stops_them(gateway: FakeGateway) -> None:
    app = descriptions(gateway)
    app.button(key="describe-all").click().run()
    del app.session_state["dialog"]  # as closing it does
    gateway.descriptions.waiting = gateway.descriptions.waiting[:1]
    app.run()
    (bar,) = app.get("progress")
    assert bar.proto.text == "Describing: 2 of 3"
    app.button(key="describe-stop").click().run()
    assert gateway.descriptions.stopped == 1
    assert not app.get("progress")


def test_what_waits_for_others_is_shown_where_it_is_asked_for(gateway: FakeGateway) -> None:
    gateway.descriptions.waiting = ["a1"]
    gateway.descriptions.held_up = "the model is away"
    app = descriptions(gateway)
    assert "the model is away" in html(app)
    assert app.button(key="describe-stop")


def test_what_could_not_be_described_is_listed(gateway: FakeGateway) -> None:
    gateway.descriptions.failures = [
        {"image_id": "a1", "file_name": EVIL, "reason": "no JSON"} for _ in range(14)
    ]
    app = descriptions(gateway)
    (told,) = [one.value for one in app.markdown if "no JSON" in str(one.value)]
    assert str(told).count("\n") == 12
    assert "and 2 more" in str(told)
    assert "<script>" not in str(told)


def test_uploads_are_described_where_that_is_chosen(gateway: FakeGateway) -> None:
    gateway.images = [record("a1", "cat.jpg")]
    app = page()
    drop(app, "dog.jpg")
    assert b'name="describe"' not in gateway.uploads[0]
    app.toggle(key="upload-describe").set_value(True).run()
    app.file_uploader(key="files-1").set_value([("cow.jpg", b"bytes", "image/jpeg")])
    app.run()
    app.session_state["sendings"][-1].wait(30)
    assert b'name="describe"\r\n\r\ntrue' in gateway.uploads[1]


def test_a_gateway_that_went_away_breaks_nothing(gateway: FakeGateway) -> None:
    app = opened(gateway, TOLD)
    gateway.problem = problem(503, "it does not answer", "service_unavailable")
    gateway.problem["fields"] = {"service": "upload_service", "reason": "gone"}
    app.button(key="description-describe").click().run()
    assert not app.exception
    assert "gone" in texts(app)
    assert [button.key for button in app.button].count("try-again") == 1
