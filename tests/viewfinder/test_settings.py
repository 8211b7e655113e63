from pathlib import Path

import pytest

from viewfinder.settings import SharedSettings, load_settings


def test_a_wrong_value_stops_with_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_PORT", "a lot")
    with pytest.raises(SystemExit) as stop:
        load_settings(SharedSettings)
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("REDIS_PORT='a lot': ")


def test_services_meet_on_sockets_in_the_data_folder_by_default(tmp_path: Path) -> None:
    settings = SharedSettings(data_dir=tmp_path, _env_file=None)
    assert settings.address_of("search") == f"unix:{tmp_path}/run/search.sock"
    assert settings.listen_address_of("search") == settings.address_of("search")


def test_a_container_listens_elsewhere_than_others_dial(tmp_path: Path) -> None:
    settings = SharedSettings(
        data_dir=tmp_path,
        search_address="search_service:50051",
        listen_address="0.0.0.0:50051",
        _env_file=None,
    )
    assert settings.address_of("search") == "search_service:50051"
    assert settings.listen_address_of("search") == "0.0.0.0:50051"


def test_a_data_folder_with_a_long_path_gets_sockets_that_fit(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90)
    settings = SharedSettings(data_dir=deep, _env_file=None)
    assert len(str(settings.redis_socket)) < 104
    other = SharedSettings(data_dir=tmp_path / ("y" * 90), _env_file=None)
    assert settings.run_dir != other.run_dir
