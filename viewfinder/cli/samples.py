"""The sample pictures of the demo: those that the package scikit-image carries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from viewfinder.cli.walking import walk

EXPECTED = {
    "a cat": "chelsea",
    "a cup of coffee": "coffee",
    "a motorcycle": "motorcycle",
    "grass": "grass",
    "a man with a camera": "camera",
}
"""Searches of the demo, and how the name of the picture begins that must come first."""


def sample_pictures() -> list[Path]:
    """Files of the installed package, nothing is downloaded.

    Raises:
        FileNotFoundError: scikit-image is not installed.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("scikit-image is not installed: pip install 'viewfinder[demo]'")
    found = walk([Path(spec.origin).parent / "data"], recursive=False)
    # Its TIFFs are scientific stacks, one of them of a layout that no picture library reads.
    return [path for path in found if path.suffix in (".png", ".jpg")]
