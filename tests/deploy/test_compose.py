"""docker-compose.yml and the Dockerfile keep what they promise; no engine is needed."""

from __future__ import annotations

import importlib
import inspect
import os
import shutil
import socket
import subprocess
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from tests.deploy.deployment import ROOT, Compose, Dockerfile
from viewfinder.settings import SharedSettings
from viewfinder.vision.settings import VisionSettings

# What only docker-compose.yml itself reads.
COMPOSE_ONLY = {
    "VIEWFINDER_PUBLISH",
    "VIEWFINDER_PUBLISH_UI",
    "VIEWFINDER_REDIS_IMAGE",
    "VIEWFINDER_QDRANT_IMAGE",
    "VIEWFINDER_BUILD_NETWORK",
}
# What other programs read: Python, the encoder's library, a shell.
OF_OTHERS = {
    "HOME",
    "OMP_NUM_THREADS",
    "ORT_DISABLE_TELEMETRY",
    "PATH",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_NO_CACHE_DIR",
    "PIP_ROOT_USER_ACTION",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
}
PUBLISHED = {"gateway": "VIEWFINDER_PUBLISH", "frontend": "VIEWFINDER_PUBLISH_UI"}


def _settings_of(service: str) -> set[str]:
    """Variables that the settings class of a service knows."""
    module = importlib.import_module(f"{service}.settings")
    return {
        str(field.alias)
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, SharedSettings)
        for field in cls.model_fields.values()
    }


def test_every_service_is_built_from_a_stage_of_its_own_name(
    compose: Compose, dockerfile: Dockerfile
) -> None:
    assert compose.built
    for name, service in compose.built.items():
        assert service["build"]["target"] == name
        assert service["build"]["dockerfile"] == "deploy/Dockerfile"
        assert name in dockerfile.stages


def test_every_service_starts_a_program_that_the_checkout_has(
    compose: Compose, dockerfile: Dockerfile
) -> None:
    for name in compose.built:
        command = yaml.safe_load(dockerfile.inherited(name, "CMD") or "[]")
        assert command[:3] == ["python", "-m", name]
        assert (ROOT / name / "__main__.py").is_file()


def test_every_service_has_a_health_check(compose: Compose, dockerfile: Dockerfile) -> None:
    for name, service in compose.services.items():
        if name in compose.built:
            check = dockerfile.inherited(name, "HEALTHCHECK")
            assert check is not None
            assert "CMD" in check
        else:
            assert service["healthcheck"]["test"][0] == "CMD"


def test_no_service_runs_as_root(compose: Compose, dockerfile: Dockerfile) -> None:
    for name, service in compose.services.items():
        user = str(service.get("user") or dockerfile.inherited(name, "USER"))
        assert user.split(":")[0] not in {"None", "root", "0"}, name
    runtime = dockerfile.stages["runtime"]
    assert any("--uid 10001" in argument for _, argument in runtime.instructions)


def test_every_service_is_locked_up(compose: Compose) -> None:
    for name, service in compose.services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"cap_add", "privileged", "network_mode", "pid", "devices"} & service.keys()


def test_every_service_may_write_to_volumes_and_the_temporary_folder_only(
    compose: Compose,
) -> None:
    for service in compose.services.values():
        assert service["tmpfs"] == ["/tmp"]
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            assert source in compose.volumes
            assert target in {"/data", "/data/originals", "/data/models", "/qdrant/storage"}


def test_only_upload_service_can_change_originals(compose: Compose) -> None:
    mounts = {
        (name, *volume.split(":")[2:])
        for name, service in compose.services.items()
        for volume in service.get("volumes", [])
        if volume.startswith("originals:")
    }
    assert mounts == {("upload_service",), ("image_service", "ro"), ("worker", "ro")}


def test_nothing_but_the_gateway_and_the_ui_is_published(compose: Compose) -> None:
    published = {name for name, service in compose.services.items() if service.get("ports")}
    assert published == PUBLISHED.keys()


def test_ports_are_published_on_this_machine_unless_told_otherwise(compose: Compose) -> None:
    for name, variable in PUBLISHED.items():
        for port in compose.services[name]["ports"]:
            assert port.startswith(f"${{{variable}:-127.0.0.1}}:")


def test_services_name_only_settings_that_they_read(compose: Compose) -> None:
    for name, service in compose.built.items():
        assert set(service["environment"]) <= _settings_of(name), name


def test_images_name_only_settings_that_exist(compose: Compose, dockerfile: Dockerfile) -> None:
    known = set().union(*(_settings_of(name) for name in compose.built))
    assert dockerfile.environment() <= known | OF_OTHERS


def test_what_may_be_set_from_outside_is_a_setting_or_explained(compose: Compose) -> None:
    known = set().union(*(_settings_of(name) for name in compose.built))
    assert compose.interpolated <= known | COMPOSE_ONLY
    explained = "".join(line for line in compose.text.splitlines() if line.startswith("#"))
    assert all(name in explained for name in COMPOSE_ONLY)


def test_services_find_each_other_by_the_names_that_compose_gives(compose: Compose) -> None:
    for name in compose.built:
        for variable, value in compose.default_environment(name).items():
            if variable.endswith("_ADDRESS"):
                assert value == f"{value.split(':')[0]}:50051"
                assert value.split(":")[0] in compose.built
            if variable == "REDIS_HOST":
                assert value in compose.services


def test_what_a_service_waits_for_exists(compose: Compose) -> None:
    for service in compose.services.values():
        assert set(service.get("depends_on", [])) <= compose.services.keys()


def test_the_build_is_given_exactly_what_it_copies(dockerfile: Dockerfile) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert let_in == dockerfile.copied_from_context()
    assert all((ROOT / name).exists() for name in let_in)


def test_every_package_of_the_distribution_is_copied(dockerfile: Dockerfile) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    packages = {name for name in folders if any(fnmatch(name, p) for p in patterns)}
    assert packages <= dockerfile.copied_from_context()


def test_every_file_that_a_package_needs_is_installed_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    installed = ["*.py", "*.pyi", *project["tool"]["setuptools"]["package-data"]["*"]]
    missing = [
        path.relative_to(ROOT)
        for folder in ROOT.iterdir()
        if any(fnmatch(folder.name, p) for p in packages) and (folder / "__init__.py").is_file()
        for path in folder.rglob("*.*")
        if "__pycache__" not in path.parts and not any(fnmatch(path.name, p) for p in installed)
    ]
    assert missing == []


def test_the_images_hold_no_build_tools(dockerfile: Dockerfile, compose: Compose) -> None:
    built = {"dependencies", "dependencies-frontend", "build"}
    for name in compose.built:
        stage = dockerfile.stages[name]
        while stage.base in dockerfile.stages:
            stage = dockerfile.stages[stage.base]
            assert stage.name not in built


def _config(**environment: str) -> subprocess.CompletedProcess[str]:
    command = _compose_command()
    if command is None:
        pytest.skip("there is no docker compose here")
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("VIEWFINDER_", "API_", "COMPOSE_", "QDRANT_", "LLM_", "OLLAMA_", "OPENAI_")
        )
    }
    return subprocess.run(
        [*command, "--env-file", os.devnull, "config"],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _compose_command() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        answer = subprocess.run([*command, "version"], capture_output=True, check=False, timeout=60)
        if answer.returncode == 0:
            return command
    return None


@pytest.fixture
def configured() -> Callable[..., dict[str, Any]]:
    """What docker compose makes of the file with these variables set."""

    def configure(**environment: str) -> dict[str, Any]:
        answer = _config(**environment)
        assert answer.returncode == 0, answer.stderr
        services: dict[str, Any] = yaml.safe_load(answer.stdout)["services"]
        return services

    return configure


def test_compose_publishes_on_this_machine_by_default(
    configured: Callable[..., dict[str, Any]],
) -> None:
    services = configured()
    for name in PUBLISHED:
        assert [port["host_ip"] for port in services[name]["ports"]] == ["127.0.0.1"]


def test_compose_refuses_to_publish_further_without_a_key() -> None:
    answer = _config(VIEWFINDER_PUBLISH="0.0.0.0")
    assert answer.returncode != 0
    assert "VIEWFINDER_API_KEY" in answer.stderr


def test_compose_publishes_further_with_a_key(configured: Callable[..., dict[str, Any]]) -> None:
    services = configured(VIEWFINDER_PUBLISH="0.0.0.0", VIEWFINDER_API_KEY="of one's own")
    assert [port["host_ip"] for port in services["gateway"]["ports"]] == ["0.0.0.0"]
    for name in PUBLISHED:
        assert services[name]["environment"]["VIEWFINDER_API_KEY"] == "of one's own"


def test_the_page_which_asks_for_no_key_is_published_by_a_word_of_its_own(
    configured: Callable[..., dict[str, Any]],
) -> None:
    services = configured(VIEWFINDER_PUBLISH="0.0.0.0", VIEWFINDER_API_KEY="secret")
    assert [port["host_ip"] for port in services["frontend"]["ports"]] == ["127.0.0.1"]
    services = configured(VIEWFINDER_PUBLISH_UI="0.0.0.0")
    assert [port["host_ip"] for port in services["frontend"]["ports"]] == ["0.0.0.0"]
    assert [port["host_ip"] for port in services["gateway"]["ports"]] == ["127.0.0.1"]


def test_a_key_alone_publishes_nothing(configured: Callable[..., dict[str, Any]]) -> None:
    services = configured(VIEWFINDER_API_KEY="secret")
    assert services["gateway"]["ports"][0]["host_ip"] == "127.0.0.1"
    assert services["gateway"]["environment"]["VIEWFINDER_API_KEY"] == "secret"


def test_the_page_sends_browsers_to_the_port_that_is_published(
    configured: Callable[..., dict[str, Any]],
) -> None:
    services = configured(API_PORT="18123")
    assert services["gateway"]["ports"][0]["published"] == "18123"
    address = services["frontend"]["environment"]["VIEWFINDER_PUBLIC_API_URL"]
    assert address == "http://127.0.0.1:18123"


def test_no_qdrant_server_is_started_unless_asked_for(
    configured: Callable[..., dict[str, Any]],
) -> None:
    services = configured()
    assert "qdrant" not in services
    assert services["search_service"]["environment"]["QDRANT_HOST"] == ""


def test_a_qdrant_server_is_started_beside_and_reached_by_search_service_only(
    configured: Callable[..., dict[str, Any]],
) -> None:
    services = configured(COMPOSE_PROFILES="qdrant", QDRANT_HOST="qdrant")
    assert "ports" not in services["qdrant"]
    assert services["search_service"]["environment"]["QDRANT_HOST"] == "qdrant"
    told = [name for name, one in services.items() if "QDRANT_HOST" in one.get("environment", {})]
    assert told == ["search_service"]


def test_a_qdrant_server_has_a_key_only_when_one_is_set(
    configured: Callable[..., dict[str, Any]],
) -> None:
    services = configured(COMPOSE_PROFILES="qdrant")
    assert services["qdrant"]["environment"].get("QDRANT__SERVICE__API_KEY") is None
    services = configured(COMPOSE_PROFILES="qdrant", QDRANT__SERVICE__API_KEY="secret")
    assert services["qdrant"]["environment"]["QDRANT__SERVICE__API_KEY"] == "secret"


def test_the_gateway_and_the_workers_are_told_all_of_a_vision_model(compose: Compose) -> None:
    names = {
        str(field.alias)
        for name, field in VisionSettings.model_fields.items()
        if name not in SharedSettings.model_fields
    }
    assert {"LLM_ENABLED", "LLM_MODEL", "LLM_BASE_URL", "OLLAMA_HOST"} < names
    gateway, worker = (compose.services[name]["environment"] for name in ("gateway", "worker"))
    assert names <= gateway.keys()
    assert {name: gateway[name] for name in names} == {name: worker[name] for name in names}
    assert compose.default_environment("worker")["LLM_ENABLED"] == "false"
    told = {name for name, one in compose.built.items() if "OPENAI_API_KEY" in one["environment"]}
    assert told == {"gateway", "worker"}


def test_what_is_set_of_a_vision_model_reaches_the_gateway_and_the_workers(
    configured: Callable[..., dict[str, Any]],
) -> None:
    given = {
        "LLM_ENABLED": "true",
        "LLM_MODEL": "looker",
        "LLM_BASE_URL": "http://models:8000/v1",
        "OLLAMA_HOST": "http://ollama:11434",
        "VIEWFINDER_LLM_MAX_SIDE": "768",
    }
    services = configured(**given)
    for name in ("gateway", "worker"):
        environment = services[name]["environment"]
        assert {key: environment[key] for key in given} == given
        assert environment.get("VIEWFINDER_LLM_TIMEOUT_S") is None
        assert "host.docker.internal=host-gateway" in services[name]["extra_hosts"]


def test_the_qdrant_image_is_pinned_to_a_version(compose: Compose) -> None:
    assert ":v1." in compose.services["qdrant"]["image"]


def test_a_qdrant_server_counts_as_healthy_once_it_says_that_it_is_ready(
    configured: Callable[..., dict[str, Any]],
) -> None:
    check = configured(COMPOSE_PROFILES="qdrant")["qdrant"]["healthcheck"]["test"]
    assert check[:3] == ["CMD", "bash", "-c"]
    for status, expected in ((b"200 OK", 0), (b"503 Service Unavailable", 1)):
        with socket.create_server(("127.0.0.1", 0)) as server:
            script = check[3].replace("$$", "$").replace("6333", str(server.getsockname()[1]))
            asking = subprocess.Popen(["bash", "-c", script])
            connection, _ = server.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += connection.recv(100)
                assert asked == b"GET /readyz HTTP/1.0\r\n\r\n"
                connection.sendall(b"HTTP/1.0 " + status + b"\r\n\r\n")
                assert asking.wait(10) == expected
