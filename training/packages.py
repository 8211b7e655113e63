"""Finds the data files of installed packages without importing the packages.

timm and wordllama import much (torchvision, a hub client) of which training needs nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def package_folder(name: str) -> Path:
    """The folder of the installed package `name`."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is missing: install the extra `training`")
    return Path(spec.origin).parent
