"""Writes mini_golden.json after a retraining: python -m tests.embedding_service.golden_vectors."""

from __future__ import annotations

import json

from embedding_service.encoders.mini import MiniEncoder
from tests.embedding_service.test_mini import GOLDEN, prepared, sample

TEXTS = ("a photo of a goldfish", "two dogs run over the green grass", "")
PICTURES = ("coffee", "horse")
NUMBERS = 48


def main() -> None:
    """Keep the beginnings of some vectors."""
    encoder = MiniEncoder()
    texts = {text: encoder.embed_texts([text])[0][:NUMBERS] for text in TEXTS}
    size = encoder.spec.pixels.size
    pictures = {
        name: encoder.embed_images(prepared(sample(name), size)[None])[0][:NUMBERS]
        for name in PICTURES
    }
    golden = {
        "revision": encoder.spec.revision,
        "texts": {text: [round(float(x), 5) for x in row] for text, row in texts.items()},
        "pictures": {name: [round(float(x), 5) for x in row] for name, row in pictures.items()},
    }
    GOLDEN.write_text(json.dumps(golden) + "\n", "utf-8")


if __name__ == "__main__":
    main()
