"""Files that nobody should have to fear, made in code: broken, truncated, lying and hostile ones.

Each says what Viewfinder must answer: the code of an error, or None when it is a picture after all.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pillow_heif
from PIL import Image

FoundBy = Literal["inspect", "prepare"]


@dataclass(frozen=True)
class HostileFile:
    """A file, and the `code` of the error it must lead to (None: it is accepted and searchable).

    `found_by`: `inspect` reads the header, at upload; `prepare` decodes, in the worker.
    """

    name: str
    content: bytes
    expected_code: str | None
    found_by: FoundBy = "inspect"


def hostile_files() -> list[HostileFile]:
    """All of them; each call makes the same bytes."""
    return [
        *_no_pictures(),
        *_polyglots(),
        *_too_large(),
        *_truncated(),
        *_broken(),
        *_too_much_metadata(),
        *_odd_but_fine(),
    ]


def picture(mode: str = "RGB", size: tuple[int, int] = (96, 64), seed: int = 1) -> Image.Image:
    """A picture that does not compress to nothing, always the same."""
    noise = Image.frombytes("L", size, random.Random(seed).randbytes(size[0] * size[1]))
    return Image.merge("RGB", (noise, noise.transpose(Image.Transpose.ROTATE_180), noise)).convert(
        mode
    )


def encoded(image_format: str, image: Image.Image | None = None, **options: object) -> bytes:
    """A picture as a file of this Pillow format (HEIF: by pillow-heif)."""
    image = image or picture()
    out = io.BytesIO()
    if image_format == "HEIF":
        pillow_heif.from_pillow(image).save(out, **options)
    else:
        image.save(out, image_format, **options)
    return out.getvalue()


_SUFFIXES = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "HEIF": "heic",
    "AVIF": "avif",
}


def _no_pictures() -> Iterator[HostileFile]:
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    html = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
    video = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + bytes(64)
    others = {
        "text.jpg": b"This is not a picture, it is a text.\n" * 20,
        "drawing.svg": svg,
        "drawing.png": svg,
        "page.gif": html,
        "document.jpg": b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 10 10\n",
        "program.webp": b"\x7fELF\x02\x01\x01" + bytes(200),
        "archive.heic": _zip(),
        "video.heic": video,
        "noise.png": random.Random(7).randbytes(5000),
        "zeros.bmp": bytes(5000),
        "utf16.jpg": "Ein Text".encode("utf-16"),
        "bm.bmp": b"BM is how this text begins, and BMP files too." * 3,
        "one_byte.jpg": b"\xff",
    }
    yield HostileFile("empty.jpg", b"", "empty_file")
    for name, content in others.items():
        yield HostileFile(name, content, "unsupported_media_type")


def _polyglots() -> Iterator[HostileFile]:
    gif, jpeg, whole = encoded("GIF"), encoded("JPEG"), encoded("PNG")
    files = {
        "gif_javascript.gif": gif[:6] + b"/*" + gif[8:] + b"*/=1;alert(1);//",
        "gif_zip.gif": gif + _zip(),
        "jpeg_jar.jpg": jpeg + _zip(comment=b"x" * 300),
        "jpeg_html.jpg": encoded("JPEG", comment=b"--><html><script>alert(1)</script>"),
        "jpeg_html_behind.jpg": jpeg + b"<!doctype html><body onload=alert(1)>",
        "jpeg_pdf.jpg": encoded("JPEG", comment=b"%PDF-1.4 1 0 obj"),
        "png_php.png": whole + b"<?php system($_GET['c']); ?>",
        "jpeg_phar.jpg": jpeg + b"__HALT_COMPILER();",
    }
    for name, content in files.items():
        yield HostileFile(name, content, "unsupported_media_type")


def _too_large() -> Iterator[HostileFile]:
    side = 60_000
    jpeg = bytearray(encoded("JPEG"))
    start_of_frame = jpeg.index(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, start_of_frame + 5, side, side)
    bmp = bytearray(encoded("BMP"))
    struct.pack_into("<ii", bmp, 18, side, -side)
    gif = bytearray(encoded("GIF"))
    struct.pack_into("<HH", gif, 6, side, side)
    frame = bytearray(encoded("GIF"))
    struct.pack_into("<HHHH", frame, frame.index(b",\0\0\0\0"[:5]) + 1, 0, 0, side, side)
    tiff = bytearray(encoded("TIFF"))
    for entry in _tiff_entries(tiff):
        if struct.unpack_from("<H", tiff, entry)[0] in (256, 257):
            struct.pack_into(
                "<HHII", tiff, entry, *struct.unpack_from("<H", tiff, entry), 4, 1, side
            )
    canvas = (16383).to_bytes(3, "little") * 2  # the largest that WebP knows: 268 megapixels
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas
    webp = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    files = {
        "bomb.png": png(20_000, 20_000, zlib.compress(bytes(20_000 * 2501), 9), depth=1, colour=0),
        "header.png": png(side, side, zlib.compress(b"\0" * 100)),
        "huge_side.png": png(2**31 - 1, 1, zlib.compress(b"\0" * 100)),
        "header.jpg": bytes(jpeg),
        "header.bmp": bytes(bmp),
        "screen.gif": bytes(gif),
        "frame.gif": bytes(frame),
        "header.tif": bytes(tiff),
        "header.webp": webp,
        "header.avif": _with_iso_size(encoded("AVIF"), side),
        "header.heic": _with_iso_size(encoded("HEIF"), side),
    }
    for name, content in files.items():
        yield HostileFile(f"too_large_{name}", content, "image_too_large")


def _truncated() -> Iterator[HostileFile]:
    for image_format, suffix in _SUFFIXES.items():
        whole = encoded(image_format)
        half = whole[: len(whole) * 6 // 10]
        found_by: FoundBy = "inspect" if image_format in ("WEBP", "AVIF") else "prepare"
        yield HostileFile(f"truncated.{suffix}", half, "broken_image", found_by)
        stub = whole[:20]
        yield HostileFile(f"only_the_start.{suffix}", stub, "broken_image")


def _broken() -> Iterator[HostileFile]:
    whole, gif, jpeg, tiff = (encoded(name) for name in ("PNG", "GIF", "JPEG", "TIFF"))
    header_crc = bytearray(whole)
    header_crc[29] ^= 0xFF
    far = bytearray(tiff)
    struct.pack_into("<I", far, 4, 0xFFFFFFF0)
    at_inspect = {
        "wrong_header_crc.png": bytes(header_crc),
        "no_pixels.png": png(0, 10, zlib.compress(b"\0")),
        "no_frame.gif": gif[:13] + b";",
        "garbage.jpg": b"\xff\xd8\xff\xe0" + random.Random(3).randbytes(2000),
        "directory_far_away.tif": bytes(far),
        "garbage.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
        "garbage.avif": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(500),
        "garbage.webp": b"RIFF\xff\xff\xff\x7fWEBPVP8 " + bytes(100),
        "compressed_text_bomb.png": png(
            8,
            8,
            zlib.compress(b"\0" * 200),
            (b"zTXt", b"k\0\0" + zlib.compress(bytes(50 << 20), 9)),
        ),
    }
    at_prepare = {
        "wrong_zlib.png": png(64, 64, b"x\x9c" + bytes(500)),
        "too_few_pixels.png": png(640, 640, zlib.compress(b"\0" * 1000)),
        "no_end.jpg": jpeg[: jpeg.index(b"\xff\xda") + 14],
    }
    for name, content in at_inspect.items():
        yield HostileFile(name, content, "broken_image")
    for name, content in at_prepare.items():
        yield HostileFile(name, content, "broken_image", "prepare")


def _too_much_metadata() -> Iterator[HostileFile]:
    jpeg, noise = encoded("JPEG"), random.Random(5).randbytes(10 << 20)
    segment = b"\xff\xe1\xff\xff" + b"Exif\0\0" + noise[: 65533 - 6]
    profile = b"\xff\xe2\xff\xff" + b"ICC_PROFILE\0\1\xff" + noise[: 65533 - 14]
    pixels = zlib.compress(b"\0" * 200)
    stored = zlib.compress(noise, 0)
    files = {
        "huge_exif.jpg": jpeg[:2] + segment * 160 + jpeg[2:],
        "huge_profile.jpg": jpeg[:2] + profile * 160 + jpeg[2:],
        "huge_profile.png": png(8, 8, pixels, (b"iCCP", b"icc\0\0" + stored)),
        "huge_text.png": png(8, 8, pixels, (b"tEXt", b"k\0" + noise)),
        "huge_exif.png": png(8, 8, pixels, (b"eXIf", b"II*\0" + noise)),
        "huge_xmp.webp": encoded("WEBP", xmp=noise),
        "huge_tag.tif": encoded("TIFF", tiffinfo={700: noise}),
    }
    for name, content in files.items():
        yield HostileFile(name, content, "metadata_too_large")


def _odd_but_fine() -> Iterator[HostileFile]:
    frames = [picture(seed=seed) for seed in range(5)]
    exif = Image.Exif()
    exif[0x0112] = 99
    exif[0x0132] = "0000:00:00 00:00:00"
    exif[0x8825] = {1: "N", 2: (float("inf"), 1.0, 2.0), 3: "E", 4: (999.0, 0.0, 0.0)}
    loop = bytearray(encoded("TIFF"))
    *_, last = _tiff_entries(loop)
    loop[last + 12 : last + 16] = loop[4:8]  # the next directory is this one
    jpeg = encoded("JPEG", quality=91)
    pixel_crc = bytearray(encoded("PNG"))
    pixel_crc[pixel_crc.index(b"IEND") - 5] ^= 0xFF
    files = {
        "wrong_pixel_crc.png": bytes(pixel_crc),  # the pixels are right
        "no_tables.jpg": jpeg.replace(b"\xff\xc4", b"\xff\xef"),  # as in MJPEG: known by heart
        "animated.gif": encoded("GIF", save_all=True, append_images=frames),
        "animated.webp": encoded("WEBP", save_all=True, append_images=frames),
        "animated.png": encoded("PNG", save_all=True, append_images=frames),
        "pages.tif": encoded("TIFF", save_all=True, append_images=frames),
        "absurd_exif.jpg": encoded("JPEG", exif=exif),
        "exif_of_noise.jpg": encoded("JPEG", exif=b"Exif\0\0" + picture().tobytes()[:5000]),
        "directory_loop.tif": bytes(loop),
        "one_pixel.png": encoded("PNG", Image.new("RGB", (1, 1), "red")),
        "strip.png": encoded("PNG", Image.new("L", (1, 1_000_000), 99)),
        "wrong_suffix.png": encoded("JPEG", quality=92),
        "trailing_noise.jpg": encoded("JPEG", quality=93) + random.Random(9).randbytes(9000),
        "../../../etc/passwd.jpg": jpeg,
        "..\\..\\windows\\system.jpg": encoded("JPEG", quality=90),
        "line\nbreak\x1b[31m.jpg": encoded("JPEG", quality=89),
        "x" * 300 + ".jpg": encoded("JPEG", quality=88),
        "\u202egpj.exe": encoded("JPEG", quality=87),
    }
    for name, content in files.items():
        yield HostileFile(name, content, None)


def _zip(comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("Main.class"), b"content")
        archive.comment = comment
    return out.getvalue()


def png(
    width: int,
    height: int,
    pixels: bytes,
    extra: tuple[bytes, bytes] | None = None,
    depth: int = 8,
    colour: int = 2,
) -> bytes:
    """A PNG file with these fields, whether they agree with each other or not."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *([extra] if extra else []), (b"IDAT", pixels), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _tiff_entries(tiff: bytes | bytearray) -> list[int]:
    """Where the entries of the first directory lie (little endian files)."""
    (start,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, start)
    return [start + 2 + 12 * index for index in range(count)]


def _with_iso_size(content: bytes, side: int) -> bytes:
    changed = bytearray(content)
    at = changed.index(b"ispe")
    struct.pack_into(">II", changed, at + 8, side, side)
    return bytes(changed)
