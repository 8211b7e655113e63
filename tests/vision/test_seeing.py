"""What models say of pictures they are shown: stand-ins of both protocols, and a real one."""

from __future__ import annotations

from tests.vision.conftest import Seeing
from tests.vision.looking import jpeg, picture
from viewfinder.vision.pictures import ShownPicture, Turn


def shown(colour: str, shapes: int = 0, **facts: str) -> ShownPicture:
    return ShownPicture(jpeg(picture(colour, shapes)), facts)


async def whole(pieces: object) -> str:
    return "".join([piece async for piece in pieces])  # type: ignore[attr-defined]


async def test_an_answer_is_about_the_picture_shown(seeing: Seeing) -> None:
    for colour in ("red", "blue"):
        said = await whole(
            seeing.model.answer("What is the main colour of this picture?", [shown(colour)])
        )
        assert colour in said.lower()


async def test_an_answer_comes_in_pieces(seeing: Seeing) -> None:
    answer = seeing.model.answer("Describe each picture.", [shown("red", 3), shown("green")])
    assert len([piece async for piece in answer]) > 1


async def test_pictures_keep_their_order(seeing: Seeing) -> None:
    colours = ["green", "red", "yellow"]
    said = await whole(
        seeing.model.answer(
            "Name the main colour of each picture, as: [1] colour, [2] colour, [3] colour",
            [shown(colour) for colour in colours],
        )
    )
    places = [said.lower().index(colour) for colour in colours]
    assert places == sorted(places)


async def test_a_follow_up_sees_the_picture_and_what_was_said(seeing: Seeing) -> None:
    history = [Turn(True, "What is this?"), Turn(False, "A plain red picture [1].")]
    said = await whole(seeing.model.answer("Which colour is it again?", [shown("red")], history))
    assert "red" in said.lower()
    if seeing.server is not None:
        roles = [one["role"] for one in seeing.server.chats[-1].body["messages"]]
        assert roles == ["system", "user", "assistant", "user"]


async def test_a_ranking_puts_what_fits_first(seeing: Seeing) -> None:
    pictures = [shown("red"), shown("blue"), shown("green"), shown("yellow")]
    ranked = await seeing.model.rank("a plain green picture", pictures, 2)
    assert ranked[0].index == 2
    assert 1 <= len(ranked) <= 2
    assert ranked[0].reason
    if seeing.server is not None:
        assert len(seeing.server.chats) == 1


async def test_a_description_is_of_the_picture(seeing: Seeing) -> None:
    described = await seeing.model.describe(shown("yellow", 2))
    assert any("yellow" in colour.lower() for colour in described.colours)
    assert described.caption


async def test_an_explanation_looks_at_five_at_most(seeing: Seeing) -> None:
    said = await whole(seeing.model.explain("blue", [shown("blue")] * 7))
    assert said
    if seeing.server is not None:
        (received,) = seeing.server.chats
        assert len(received.seen) == 5
        options = received.body.get("options", received.body)
        assert options["temperature"] == 0.3


async def test_a_check_says_that_it_is_there(seeing: Seeing) -> None:
    state = await seeing.model.check()
    assert (state.reachable, state.present) == (True, True)
    assert state.sees is not False


async def test_stand_ins_get_the_very_pixels(seeing: Seeing) -> None:
    if seeing.server is None:
        return
    wide = ShownPicture(jpeg(picture("blue", 4, size=(700, 200))))
    await whole(seeing.model.answer("?", [shown("red", 1), wide]))
    first, second = seeing.server.chats[-1].seen
    assert (first.colour, first.shapes, first.format) == ("red", 1, "JPEG")
    assert (second.colour, second.shapes, second.width, second.height) == ("blue", 4, 700, 200)
