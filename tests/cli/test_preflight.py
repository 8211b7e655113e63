"""What keeps a Viewfinder from starting is said in one line, before anything is started."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.small_stack import STAYS, free_port, viewfinder
from viewfinder.cli.preflight import problems
from viewfinder.cli.programs import Program
from viewfinder.cli.stack_settings import StackSettings


def test_nothing_is_wrong_with_an_empty_folder(stack_settings: StackSettings) -> None:
    assert problems(stack_settings, [STAYS]) == []


@pytest.mark.parametrize(
    ("name", "variable"), [("gateway", "API_PORT"), ("frontend", "VIEWFINDER_FRONTEND_PORT")]
)
def test_a_taken_port_is_named_with_the_variable_that_changes_it(
    stack_settings: StackSettings, name: str, variable: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings = stack_settings.model_copy(update={"api_port": port, "frontend_port": port})
        [problem] = problems(settings, [Program(name, "http.server")])
    assert problem == (
        f"Port {port} on 127.0.0.1, for the {name}, is taken by another program;"
        f" choose another with {variable}"
    )


def test_a_data_folder_that_cannot_be_written_is_named(
    tmp_path: Path, stack_settings: StackSettings
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    [problem] = problems(stack_settings, [STAYS])
    assert f"The data folder {tmp_path / 'data'} cannot be written: File exists" in problem
    assert "VIEWFINDER_DATA_DIR" in problem


def test_a_full_disk_is_noticed_before_anything_is_started(stack_settings: StackSettings) -> None:
    [problem] = problems(stack_settings, [STAYS], free=lambda _: 10 << 20)
    assert "has 10 MB left" in problem


def test_a_missing_package_is_named(stack_settings: StackSettings) -> None:
    [problem] = problems(stack_settings, [Program("ghost", "no_such_room")])
    assert problem.startswith("The package no_such_room is missing")


def test_a_redis_that_does_not_answer_is_named(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(
        update={"redis_host": "127.0.0.1", "redis_port": free_port()}
    )
    [problem] = problems(settings, [STAYS])
    assert problem.startswith(f"Redis at 127.0.0.1:{settings.redis_port} does not answer")


def test_up_says_which_setting_is_wrong_and_exits_with_2(stack_settings: StackSettings) -> None:
    ran = viewfinder("up", "--detach", API_PORT="eight thousand")
    assert ran.returncode == 2
    [line] = ran.stderr.splitlines()
    assert line.startswith("API_PORT='eight thousand': ")


def test_up_says_that_the_folder_is_none_and_exits_with_2(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ran = viewfinder("up", "--detach", VIEWFINDER_DATA_DIR=str(file), API_PORT=str(free_port()))
    assert ran.returncode == 2
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr
