"""A PDF to measure with: pages of text, every third with a picture. Always the same."""

from __future__ import annotations

import random
from pathlib import Path

from bench.made_pictures import made_pictures

_WIDTH_PT, _HEIGHT_PT = 595, 842
_LINES, _WORDS_OF_LINE = 50, 12
_PICTURES = 8
_CONSONANTS, _VOWELS = "bdklmnrst", "aeiou"


def write_document(path: Path, pages: int, seed: int = 0) -> None:
    """A PDF of so many A4 pages of 600 words."""
    words = random.Random(seed)  # noqa: S311 - nothing is secret here
    first_page = 4 + _PICTURES
    kids = " ".join(f"{first_page + 2 * number} 0 R" for number in range(pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {pages}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>",
    ]
    shape = "/Type/XObject/Subtype/Image/Width 1024/Height 768/ColorSpace/DeviceRGB"
    for photo in made_pictures(_PICTURES, seed=seed):
        objects.append(_stream(photo, f"{shape}/BitsPerComponent 8/Filter/DCTDecode"))
    for number in range(pages):
        picture = f"/XObject<</P {4 + number % _PICTURES} 0 R>>" if number % 3 == 0 else ""
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {_WIDTH_PT} {_HEIGHT_PT}]"
            f"/Contents {first_page + 2 * number + 1} 0 R"
            f"/Resources<</Font<</F 3 0 R>>{picture}>>>>".encode()
        )
        objects.append(_stream(_content(words, has_picture=bool(picture)), ""))
    path.write_bytes(_file(objects))


def _content(words: random.Random, *, has_picture: bool) -> bytes:
    lines = []
    for line in range(_LINES):
        if has_picture and line < _LINES // 2:
            continue
        text = " ".join(_word(words) for _ in range(_WORDS_OF_LINE))
        lines.append(f"1 0 0 1 50 {_HEIGHT_PT - 60 - 15 * line} Tm ({text}) Tj")
    picture = "q 495 0 0 371 50 420 cm /P Do Q " if has_picture else ""
    return f"{picture}BT /F 11 Tf {' '.join(lines)} ET".encode()


def _word(words: random.Random) -> str:
    return "".join(words.choice(letters) for letters in (_CONSONANTS, _VOWELS) * 3)


def _stream(content: bytes, extra: str) -> bytes:
    head = f"<</Length {len(content)}{extra}>>stream\n".encode()
    return head + content + b"\nendstream"


def _file(objects: list[bytes]) -> bytes:
    body = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start, size = len(body), len(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n" % size
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return bytes(body)
