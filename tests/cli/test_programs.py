"""Which processes a Viewfinder has, and what supervisord is told about them."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from tests.cli.small_stack import STAYS
from viewfinder.cli.programs import environment_of, programs_of, supervisord_config
from viewfinder.cli.stack_settings import StackSettings


def test_every_service_and_every_worker_is_a_program(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(update={"index_workers": 2})
    assert [program.name for program in programs_of(settings)] == [
        "valkey",
        "upload",
        "embedding",
        "search",
        "image",
        "worker-0",
        "worker-1",
        "gateway",
        "frontend",
    ]


def test_another_redis_takes_the_place_of_valkey(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(update={"redis_host": "redis.example"})
    assert "valkey" not in [program.name for program in programs_of(settings)]


def test_a_service_on_another_machine_is_not_started_here(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(
        update={
            "embedding_address": "gpu.example:50051",
            "search_address": "127.0.0.1:50052",
            "image_address": "unix:/run/image.sock",
        }
    )
    names = {program.name for program in programs_of(settings)}
    assert names & {"embedding", "search", "image"} == {"search", "image"}


def test_the_page_can_be_left_out(stack_settings: StackSettings) -> None:
    names = [program.name for program in programs_of(stack_settings, frontend=False)]
    assert "frontend" not in names


def test_the_edge_stops_before_the_services_and_the_store_last(
    stack_settings: StackSettings,
) -> None:
    config = configparser.RawConfigParser()
    config.read_string(supervisord_config(stack_settings, programs_of(stack_settings)))
    # supervisord stops the group with the highest priority first
    priority = {g: int(config[f"group:{g}"]["priority"]) for g in ("edge", "services", "store")}
    assert priority["edge"] > priority["services"] > priority["store"]
    assert "gateway" in config["group:edge"]["programs"]
    assert config["group:store"]["programs"] == "valkey"


def test_every_program_is_restarted_without_end_and_has_time_to_finish(
    stack_settings: StackSettings,
) -> None:
    config = configparser.RawConfigParser()
    config.read_string(supervisord_config(stack_settings, programs_of(stack_settings)))
    for program in programs_of(stack_settings):
        section = config[f"program:{program.name}"]
        assert section["autorestart"] == "true"
        assert int(section["stopwaitsecs"]) == 25
        assert section["stdout_logfile"].endswith(f"data/logs/{program.name}.log")


def test_a_percent_sign_in_the_data_folder_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / "100%"))
    assert "100%%/logs" in supervisord_config(StackSettings(), [STAYS])


def test_processes_see_the_absolute_data_folder_and_one_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", "here")
    environment = environment_of(StackSettings(), {"VIEWFINDER_LISTEN_ADDRESS": "0.0.0.0:1"})
    assert environment["VIEWFINDER_DATA_DIR"] == str(tmp_path / "here")
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["VIEWFINDER_LISTEN_ADDRESS"] == ""
