"""Which model the settings name, and that nothing of it is loaded while it is switched off."""

from __future__ import annotations

import subprocess
import sys

import pytest

from viewfinder.settings import load_settings
from viewfinder.vision.opening import open_vision_model
from viewfinder.vision.settings import VisionSettings


def opened(**values: object) -> str:
    model = open_vision_model(
        VisionSettings(_env_file=None, llm_enabled=True, llm_model="m", **values)
    )
    assert model is not None
    return model.server


def test_it_is_off_unless_switched_on() -> None:
    assert open_vision_model(VisionSettings(_env_file=None, llm_model="m")) is None


def test_an_address_means_an_openai_compatible_server_else_ollama() -> None:
    assert opened(ollama_host="http://there:11434") == "Ollama (http://there:11434)"
    assert opened(llm_base_url="http://x/v1/", ollama_host="http://there:1") == "http://x/v1"


def test_switched_on_without_a_name_stops_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_ENABLED", "true")
    monkeypatch.delenv("LLM_MODEL", raising=False)
    with pytest.raises(SystemExit):
        load_settings(VisionSettings)
    (line,) = capsys.readouterr().err.splitlines()
    assert "LLM_MODEL must name a model" in line


def test_keys_are_not_shown() -> None:
    settings = VisionSettings(_env_file=None, openai_api_key="s3cret", ollama_api_key="s3cret")
    assert "s3cret" not in repr(settings)


def test_no_client_of_a_model_is_imported_before_one_is_asked() -> None:
    script = (
        "import sys, gateway.app, viewfinder.cli.__main__, viewfinder.vision.opening;"
        " print([name for name in ('openai', 'ollama') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
