"""Documents on the page, driven through Streamlit's own AppTest."""

from __future__ import annotations

from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from tests.frontend.conftest import FakeGateway, document, record
from tests.frontend.page_driver import drop, markups, page, texts, wait_for_uploads
from viewfinder.ids import page_id

REPORT = "0b0c2f3e-1111-4222-8333-444455556666"


def id_of_page(number: int) -> str:
    return str(page_id(UUID(REPORT), number))


@pytest.fixture
def library(gateway: FakeGateway) -> FakeGateway:
    """A picture and a document of seven pages."""
    gateway.images = [record("a1", "cat.jpg"), *document(REPORT, "report.pdf", 7)]
    return gateway


def shown_large(app: AppTest) -> str:
    return next(html for html in markups(app) if 'class="vf-large' in html)


def test_a_document_is_one_card_with_its_number_of_pages(library: FakeGateway) -> None:
    app = page()
    keys = {str(button.key) for button in app.button}
    assert {key for key in keys if key.startswith("open-")} == {"open-a1", f"open-{REPORT}"}
    assert f"like-{REPORT}" not in keys
    assert "7 pages" in texts(app)
    assert "2 pictures and documents" in texts(app)


def test_a_page_that_was_found_says_which_with_others_of_its_document_beside(
    library: FakeGateway,
) -> None:
    app = page()
    app.text_input(key="query").set_value("an invoice").run()
    assert library.searches[-1]["group_by"] == "document"
    assert "page 1 of 7" in texts(app)
    assert "2 results" in texts(app)
    keys = [str(button.key) for button in app.button]
    assert [key for key in keys if key.startswith("page-")] == [
        f"page-{id_of_page(number)}" for number in (2, 3, 4, 5)
    ]
    assert "+2" in texts(app)
    app.button(key=f"page-{id_of_page(4)}").click().run()
    assert id_of_page(4) in shown_large(app)
    assert "4 of 7" in texts(app)


def test_a_document_opens_on_its_first_page_and_its_pages_can_be_turned(
    library: FakeGateway,
) -> None:
    app = page()
    app.button(key=f"open-{REPORT}").click().run()
    assert id_of_page(1) in shown_large(app)
    assert app.button(key="page-before").disabled
    app.button(key="page-after").click().run()
    assert id_of_page(2) in shown_large(app)
    for _ in range(5):
        app.button(key="page-after").click().run()
    assert id_of_page(7) in shown_large(app)
    assert app.button(key="page-after").disabled
    app.button(key="page-before").click().run()
    assert id_of_page(6) in shown_large(app)


def test_the_pdf_opens_at_the_page_that_is_shown(library: FakeGateway) -> None:
    app = page()
    app.button(key=f"open-{REPORT}").click().run()
    app.button(key="page-after").click().run()
    urls = [link.proto.url for link in app.get("link_button")]
    assert urls == [f"{library.url}/images/{REPORT}/content#page=2"]


def test_why_a_hit_is_shown_on_request_and_only_after_a_search_by_words(
    library: FakeGateway,
) -> None:
    app = page()
    app.button(key="open-a1").click().run()
    assert "why" not in {toggle.key for toggle in app.toggle}
    app = page()
    app.text_input(key="query").set_value("a red cat & dog").run()
    app.button(key="open-a1").click().run()
    assert "/images/a1/content" in shown_large(app)
    app.toggle(key="why").set_value(True).run()
    assert "/images/a1/heatmap?" in shown_large(app)
    assert "query=a%20red%20cat%20%26%20dog" in shown_large(app).replace("+", "%20")


def test_what_was_read_on_a_page_is_shown_as_it_is(library: FakeGateway) -> None:
    app = page()
    app.button(key=f"open-{REPORT}").click().run()
    assert [one.label for one in app.expander] == ["Text on this page"]
    assert "Harlow Optics\n&lt;b&gt;Total 12&lt;/b&gt;" in texts(app)


def test_deleting_and_tagging_a_page_is_meant_for_its_document(library: FakeGateway) -> None:
    app = page()
    app.button(key=f"open-{REPORT}").click().run()
    app.multiselect(key=f"tags-{REPORT}").set_value([]).run()
    assert library.updates == [{"tags": []}]
    assert "all 7 pages of it" in texts(app)
    app.button(key="delete-for-good").click().run()
    assert library.deleted == [REPORT]


def test_pages_are_counted_while_a_pdf_is_added(gateway: FakeGateway) -> None:
    app = page()
    drop(app, "letter.pdf")
    assert "3 pages searchable" in texts(app)
    assert "3 pages" in texts(app)


def test_a_locked_pdf_asks_for_its_password_until_it_is_right(gateway: FakeGateway) -> None:
    gateway.locked = {"secret.pdf": "sesame"}
    app = page()
    drop(app, "cat.jpg", "secret.pdf")
    assert r"**secret\.pdf** needs its password" in texts(app)
    assert "could not be added" not in texts(app)
    for password, expected in (("wrong", "That is not the password"), ("sesame", "searchable")):
        app.text_input(key="password-0-0").set_value(password)
        open_button = next(one for one in app.button if one.label == "Open")
        open_button.click().run()
        wait_for_uploads(app)
        assert expected in texts(app)
    assert "4 pictures and pages searchable" in texts(app)
    assert "password" not in texts(app)
    assert gateway.uploads[-1].count(b'filename="') == 1


def test_a_locked_pdf_can_be_left_out(gateway: FakeGateway) -> None:
    gateway.locked = {"secret.pdf": "sesame"}
    app = page()
    drop(app, "secret.pdf")
    next(one for one in app.button if one.label == "Leave it out").click().run()
    assert "password" not in texts(app)


def test_only_pages_of_documents_can_be_asked_for(library: FakeGateway) -> None:
    app = page()
    app.selectbox(key="mode").set_value("document").run()
    app.multiselect(key="filter-types").set_value(["PDF"]).run()
    app.text_input(key="query").set_value("invoice").run()
    assert library.searches[-1]["mode"] == "document"
    assert library.searches[-1]["filters"] == {"media_type": ["application/pdf"]}


def test_what_hardly_looks_so_but_has_the_words_says_which(library: FakeGateway) -> None:
    library.relevance, library.matched = 0.004, ["tiles", "<b>"]
    app = page()
    app.text_input(key="query").set_value("invoice for tiles <b>").run()
    assert ">2 words</span>" in texts(app)
    assert "Has: tiles, &lt;b&gt;." in texts(app)
    library.relevance = 0.9
    app.text_input(key="query").set_value("tiles").run()
    assert "words</span>" not in texts(app)
