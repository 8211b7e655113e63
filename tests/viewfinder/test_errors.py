import contextlib
import dataclasses
import re

import pytest

from viewfinder import errors


def _all() -> list[type[errors.ViewfinderError]]:
    found: list[type[errors.ViewfinderError]] = []
    todo = [errors.ViewfinderError]
    while todo:
        for child in todo.pop().__subclasses__():
            found.append(child)
            todo.append(child)
    # A room's own refinement of one of them crosses the wire as that one.
    return [one for one in found if one.__module__ == errors.__name__]


@pytest.mark.parametrize("cls", _all(), ids=lambda cls: cls.__name__)
def test_every_error_crosses_the_wire_and_comes_back_the_same(
    cls: type[errors.ViewfinderError],
) -> None:
    values = {field.name: 7 if field.type == "int" else "x" for field in dataclasses.fields(cls)}
    error = cls(**values)
    again = errors.rebuild(error.code, error.fields_json())
    assert type(again) is cls
    assert again is not None
    assert again.field_values() == values
    assert again.message == error.message


def test_codes_are_unique_and_snake_case() -> None:
    codes = [cls.code for cls in _all()]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


def test_a_message_names_the_value_and_what_is_allowed() -> None:
    error = errors.ImageTooLarge(width=60_000, height=60_000, limit_pixels=50_000_000)
    assert str(error) == "The picture is 60000 x 60000 pixels; allowed: 50000000 pixels in all"


def test_braces_in_a_value_do_not_break_the_message() -> None:
    assert "{evil}" in errors.EmptyFile(file_name="{evil}").message


@pytest.mark.parametrize("fields", ["not json", "[]", '{"unknown": 1}', "7"])
def test_fields_that_do_not_fit_rebuild_nothing(fields: str) -> None:
    assert errors.rebuild("empty_file", fields) is None


def test_an_unknown_code_rebuilds_nothing() -> None:
    assert errors.rebuild("made_up", "{}") is None


def test_an_error_passes_through_a_context_manager() -> None:
    @contextlib.contextmanager
    def manager():  # type: ignore[no-untyped-def]
        yield

    with pytest.raises(errors.JobNotFound), manager():
        raise errors.JobNotFound(job_id="j")
