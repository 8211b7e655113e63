"""The deployment of this checkout."""

from __future__ import annotations

import pytest

from tests.deploy.deployment import ROOT, Compose, Dockerfile


@pytest.fixture(scope="session")
def compose() -> Compose:
    return Compose((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def dockerfile() -> Dockerfile:
    return Dockerfile((ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"))
