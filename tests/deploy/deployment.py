"""What docker-compose.yml and deploy/Dockerfile say, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

_INTERPOLATED = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::-(?P<default>[^${}]*))?")


@dataclass(frozen=True)
class Stage:
    """One `FROM ... AS name` of the Dockerfile and its own instructions, in order."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def last(self, keyword: str) -> str | None:
        """The argument of the last such instruction of this stage."""
        found = [argument for word, argument in self.instructions if word == keyword]
        return found[-1] if found else None


class Dockerfile:
    """The stages of a Dockerfile by name."""

    def __init__(self, text: str) -> None:
        lines = re.sub(r"\\\n", " ", text).splitlines()
        self.stages: dict[str, Stage] = {}
        for line in (line.strip() for line in lines):
            if not line or line.startswith("#"):
                continue
            keyword, argument = line.split(maxsplit=1)
            if keyword == "FROM":
                base, name = re.fullmatch(r"(\S+) AS (\S+)", argument).groups()  # type: ignore[union-attr]
                self._add(Stage(name, base, ()))
            else:
                self._add_instruction(keyword, " ".join(argument.split()))

    def _add(self, stage: Stage) -> None:
        self.stages[stage.name] = stage
        self._newest = stage.name

    def _add_instruction(self, keyword: str, argument: str) -> None:
        stage = self.stages[self._newest]
        self._add(Stage(stage.name, stage.base, (*stage.instructions, (keyword, argument))))

    def inherited(self, name: str, keyword: str) -> str | None:
        """What an image of this stage ends up with: its own, or that of what it is built from."""
        stage: Stage | None = self.stages[name]
        while stage is not None:
            found = stage.last(keyword)
            if found is not None:
                return found
            stage = self.stages.get(stage.base)
        return None

    def copied_from_context(self) -> set[str]:
        """Files and folders that a build needs from the checkout."""
        copied: set[str] = set()
        for stage in self.stages.values():
            for keyword, argument in stage.instructions:
                if keyword == "COPY" and not argument.startswith("--from="):
                    copied.update(argument.split()[:-1])
        return copied

    def environment(self) -> set[str]:
        """Names of variables that any stage sets."""
        return {
            name
            for stage in self.stages.values()
            for keyword, argument in stage.instructions
            if keyword == "ENV"
            for name in re.findall(r"(\w+)=", argument)
        }


class Compose:
    """docker-compose.yml, before any variable is put in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parsed: dict[str, Any] = yaml.safe_load(text)

    @cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services by name; YAML's merges are done."""
        return dict(self._parsed["services"])

    @property
    def started(self) -> dict[str, dict[str, Any]]:
        """The services that start without asking for a profile."""
        return {name: one for name, one in self.services.items() if "profiles" not in one}

    @cached_property
    def volumes(self) -> set[str]:
        """Names of the volumes that keep the state."""
        return set(self._parsed["volumes"])

    @property
    def built(self) -> dict[str, dict[str, Any]]:
        """The services that are ours."""
        return {name: service for name, service in self.services.items() if "build" in service}

    @property
    def interpolated(self) -> set[str]:
        """Variables that whoever starts it may set."""
        return {found["name"] for found in _INTERPOLATED.finditer(self.text)}

    def default_environment(self, service: str) -> dict[str, str]:
        """The environment of a service when nobody sets anything."""
        environment: dict[str, str | None] = self.services[service].get("environment", {})
        return {
            name: _without_variables(value)
            for name, value in environment.items()
            if value is not None  # else only what is set outside
        }


def _without_variables(value: str) -> str:
    inner = re.compile(r"\$\{[A-Z_]+(?::(?P<kind>[-+?])(?P<word>[^${}]*))?\}")
    while inner.search(value):
        value = inner.sub(lambda found: found["word"] if found["kind"] == "-" else "", value)
    return value
