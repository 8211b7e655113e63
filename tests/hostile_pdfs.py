"""PDFs that are broken, absurd or malicious, made by hand, and what is to be said about each."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

Found = Literal["inspect", "prepare"]

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
TEXT = b"BT /F 24 Tf 20 50 Td (Hello) Tj ET"
MEDIA_BOX = b"/MediaBox[0 0 300 200]"
RESOURCES = b"/Resources<</Font<</F 5 0 R>>>>"

USER_PASSWORD = "open sesame"
OWNER_PASSWORD = "my own"


@dataclass(frozen=True)
class HostilePdf:
    """A file, and the code of the error it leads to; None: it is shown after all."""

    name: str
    content: bytes
    expected_code: str | None
    found_by: Found = "inspect"
    password: str = ""


def pdf(objects: Sequence[bytes], trailer: bytes = b"", start: int | None = None) -> bytes:
    """A PDF of these objects, numbered from 1; the first one is its catalogue."""
    body, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    where = len(body) if start is None else start
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
        + b"trailer<</Size %d/Root 1 0 R%b>>\n" % (size, trailer)
        + b"startxref\n%d\n%%%%EOF\n" % where
    )


def stream(content: bytes, extra: bytes = b"") -> bytes:
    """A stream object."""
    return b"<</Length %d%b>>stream\n%b\nendstream" % (len(content), extra, content)


def flate(content: bytes, extra: bytes = b"") -> bytes:
    """A compressed stream object."""
    return stream(zlib.compress(content, 9), b"/Filter/FlateDecode" + extra)


def repeated(content: bytes, times: int) -> bytes:
    """zlib data of `content` so many times, which costs no more than once."""
    packer = zlib.compressobj(9, wbits=-15)
    once = packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"x\xda" + once * times + b"\3\0"


def page(extra: bytes = MEDIA_BOX, resources: bytes = RESOURCES) -> bytes:
    """A page whose content is object 4."""
    return b"<</Type/Page/Parent 2 0 R/Contents 4 0 R%b%b>>" % (extra, resources)


def one_page(
    content: bytes = TEXT,
    extra: bytes = MEDIA_BOX,
    objects: Sequence[bytes] = (),
    resources: bytes = RESOURCES,
) -> bytes:
    """A PDF of one page; `objects` are numbered from 6."""
    return pdf([CATALOG, PAGES, page(extra, resources), stream(content), FONT, *objects])


def encrypted(strength: int = 128) -> bytes:
    """A PDF that USER_PASSWORD and OWNER_PASSWORD open."""
    out = io.BytesIO()
    lock = StandardEncryption(USER_PASSWORD, OWNER_PASSWORD, strength=strength)
    canvas = Canvas(out, pagesize=(300, 200), encrypt=lock)
    canvas.drawString(20, 50, "Hello")
    canvas.save()
    return out.getvalue()


def hostile_pdfs() -> list[HostilePdf]:
    """All of them."""
    return [*_structures(), *_boxes(), *_locked(), *_actions(), *_bombs(), *_slow()]


def _structures() -> Iterator[HostilePdf]:
    whole = one_page()
    at = whole.index(b"xref\n")
    own = b"/Prev %d" % at
    count = b"<</Type/Pages/Kids[3 0 R]/Count %d>>"
    missing = [CATALOG, count % 7, page(), stream(TEXT), FONT]
    kids = b" ".join(b"3 0 R" for _ in range(10_000))
    many = b"<</Type/Pages/Kids[%b]/Count 10000>>" % kids
    loop = b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>"
    empty = b"<</Type/Pages/Kids[]/Count 0>>"
    broken, fine = "broken_image", None
    yield HostilePdf("no_pages.pdf", pdf([CATALOG, empty]), broken)
    yield HostilePdf("no_catalogue.pdf", pdf([b"<<>>"]), broken)
    yield HostilePdf("only_a_header.pdf", b"%PDF-1.7\n%%EOF\n", broken)
    yield HostilePdf("noise.pdf", b"%PDF-1.4\n" + zlib.compress(whole * 9) * 99, broken)
    yield HostilePdf("pages_of_themselves.pdf", pdf([CATALOG, loop]), broken)
    yield HostilePdf("ten_thousand_pages.pdf", pdf([CATALOG, many, *missing[2:]]), "too_many_pages")
    yield HostilePdf("a_count_that_lies.pdf", pdf(missing), fine)
    yield HostilePdf("a_huge_count.pdf", pdf([CATALOG, count % 10**9, *missing[2:]]), fine)
    yield HostilePdf("half_of_it.pdf", whole[: len(whole) // 3], broken)
    yield HostilePdf("no_end.pdf", whole[:at], broken)
    yield HostilePdf("xref_elsewhere.pdf", pdf([CATALOG, PAGES, *missing[2:]], start=7), fine)
    yield HostilePdf("xref_loop.pdf", whole.replace(b"/Root", own + b"/Root"), fine)
    yield HostilePdf("behind_a_mail.pdf", b"Subject: the report\r\n\r\n" + whole, fine)
    nested = b"[" * 200_000 + b"]" * 200_000
    yield HostilePdf("nested_arrays.pdf", one_page(extra=MEDIA_BOX + b"/X " + nested), fine)
    yield HostilePdf("nested_in_content.pdf", one_page(nested + TEXT), fine)


def _boxes() -> Iterator[HostilePdf]:
    boxes = {
        "hundred_metres_wide": b"[0 0 283464 842]",
        "thinner_than_a_pixel": b"[0 0 0.001 800]",
        "infinite": b"[0 0 1e999 " + b"9" * 60 + b"]",
        "not_a_number": b"[nan nan nan nan]",
        "upside_down": b"[300 200 0 0]",
        "nothing": b"[0 0 0 0]",
        "far_away": b"[-99999999999 0 99999999999 99999999999]",
    }
    for name, box in boxes.items():
        yield HostilePdf(f"box_{name}.pdf", one_page(extra=b"/MediaBox" + box), None)


def _locked() -> Iterator[HostilePdf]:
    content = encrypted()
    yield HostilePdf("locked.pdf", content, "password_required")
    yield HostilePdf("locked_guessed.pdf", content, "wrong_password", password="guess")
    yield HostilePdf("locked_nul.pdf", content, "wrong_password", password="\0")
    yield HostilePdf("locked_long.pdf", content, "wrong_password", password="x" * 5000)
    yield HostilePdf("opened_by_user.pdf", content, None, password=USER_PASSWORD)
    yield HostilePdf("opened_by_owner.pdf", content, None, password=OWNER_PASSWORD)
    yield HostilePdf("not_locked.pdf", one_page(), None, password="not needed")
    alien = pdf([CATALOG, PAGES, page(), stream(TEXT), FONT, b"<</Filter/Alien/V 9/R 9>>"])
    alien = alien.replace(b"/Root", b"/Encrypt 6 0 R/Root", 1)
    yield HostilePdf("locked_by_aliens.pdf", alien, "broken_image")


def _actions() -> Iterator[HostilePdf]:
    actions = {
        "javascript": b"<</S/JavaScript/JS(while\\(1\\){})>>",
        "launch": b"<</S/Launch/F(/bin/sh)>>",
        "uri": b"<</S/URI/URI(http://127.0.0.1:1/)>>",
    }
    rest = [PAGES, page(), stream(TEXT), FONT]
    for name, action in actions.items():
        catalog = b"<</Type/Catalog/Pages 2 0 R/OpenAction %b/AA<</WC %b>>>>" % (action, action)
        yield HostilePdf(f"action_{name}.pdf", pdf([catalog, *rest]), None)
    form = b"<</Type/Catalog/Pages 2 0 R/AcroForm<</XFA 6 0 R/Fields[]>>>>"
    xfa = b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'>" + b"<a>" * 9999
    yield HostilePdf("xfa.pdf", pdf([form, *rest, stream(xfa)]), None)
    names = b"<</Names[(a)<</F(a.exe)/EF<</F 6 0 R>>>>]>>"
    catalog = b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles %b>>>>" % names
    yield HostilePdf("attachment.pdf", pdf([catalog, *rest, flate(bytes(50 << 20))]), None)


def _bombs() -> Iterator[HostilePdf]:
    packed = repeated(b" " * (1 << 20), 900)
    gigabyte = stream(packed, b"/Filter/FlateDecode")
    twice = stream(zlib.compress(packed, 9), b"/Filter[/FlateDecode/FlateDecode]")
    rest = [CATALOG, PAGES, page()]
    yield HostilePdf("content_bomb.pdf", pdf([*rest, gigabyte, FONT]), "broken_image", "prepare")
    yield HostilePdf("packed_twice.pdf", pdf([*rest, twice, FONT]), "broken_image", "prepare")
    objects = stream(packed, b"/Type/ObjStm/N 100/First 900/Filter/FlateDecode")
    entries = b"\1\0\0\0\0" + b"\2\0\0\0\1" * 6
    root = b"/Type/XRef/W[1 3 1]/Size 7/Root 2 0 R/Index[0 7]"
    start = b"%PDF-1.7\n1 0 obj\n" + objects + b"\nendobj\n"
    end = b"\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(start)
    bomb = start + b"7 0 obj\n" + stream(entries, root) + end
    yield HostilePdf("object_stream_bomb.pdf", bomb, "broken_image")
    side = 50_000
    shape = b"/Type/XObject/Subtype/Image/Width %d/Height %d" % (side, side)
    bits = b"/BitsPerComponent 1/ColorSpace/DeviceGray/Filter/FlateDecode"
    image = stream(repeated(bytes(side // 8 * 500), side // 500), shape + bits)
    with_image = b"/Resources<</XObject<</I 6 0 R>>>>"
    drawn = b"300 0 0 200 0 0 cm /I Do"
    yield HostilePdf("huge_image.pdf", one_page(drawn, objects=[image], resources=with_image), None)
    lie = stream(b"x", shape + b"/BitsPerComponent 16/ColorSpace/DeviceCMYK/Filter/JPXDecode")
    yield HostilePdf("lying_image.pdf", one_page(drawn, objects=[lie], resources=with_image), None)


def _slow() -> Iterator[HostilePdf]:
    calls = [f"/X{index + 7} Do ".encode() * 10 for index in range(12)]
    forms = [
        stream(
            call,
            b"/Type/XObject/Subtype/Form/BBox[0 0 300 200]/Group<</S/Transparency>>"
            b"/Resources<</XObject<</X%d %d 0 R>>>>" % (index + 7, index + 7),
        )
        for index, call in enumerate(calls)
    ]
    last = stream(b"0 0 9 9 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 300 200]")
    first = b"/Resources<</XObject<</X6 6 0 R>>>>"
    laughs = one_page(b"/X6 Do", objects=[*forms, last], resources=first)
    yield HostilePdf("billion_laughs.pdf", laughs, "broken_image", "prepare")
    itself = stream(b"/X6 Do " * 9, b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]" + first)
    endless = one_page(b"/X6 Do", objects=[itself], resources=first)
    yield HostilePdf("form_in_itself.pdf", endless, "broken_image", "prepare")
    tile = b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/Resources<<>>"
    pattern = stream(b"1 0 0 rg 0 0 1 1 re f", tile + b"/XStep .0001/YStep .0001")
    with_pattern = b"/Resources<</Pattern<</P 6 0 R>>>>"
    filled = b"/Pattern cs /P scn 0 0 300 200 re f"
    yield HostilePdf(
        "tiny_tiles.pdf",
        one_page(filled, objects=[pattern], resources=with_pattern),
        "broken_image",
        "prepare",
    )
    curves = repeated(b"0 0 m " + b"300 200 0 200 300 0 c 0 0 300 200 9 9 c " * 1000 + b"S ", 400)
    yield HostilePdf(
        "million_curves.pdf",
        pdf([CATALOG, PAGES, page(), stream(curves, b"/Filter/FlateDecode"), FONT]),
        "broken_image",
        "prepare",
    )
    words = repeated(b"BT /F 1 Tf 20 50 Td " + b"(Hello you) Tj 0 0 Td " * 1000 + b"ET ", 300)
    many = pdf([CATALOG, PAGES, page(), stream(words, b"/Filter/FlateDecode"), FONT])
    yield HostilePdf("million_words.pdf", many, None)
