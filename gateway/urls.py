"""Addresses of pictures in answers.

With an API key, a browser's <img> cannot send it. The addresses then carry a signature that opens
this one picture for a day or two, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote

THUMBNAIL_WIDTH = 320
_THUMBNAIL = f"width={THUMBNAIL_WIDTH}&format=webp"

_DAY_S = 86_400


class Urls:
    """Makes the addresses in answers, and checks their signatures when they come back."""

    def __init__(self, public_url: str = "", api_key: str = "") -> None:
        self._base = public_url
        self._key = hashlib.sha256(f"content:{api_key}".encode()).digest() if api_key else None

    @property
    def period(self) -> bytes:
        """The same as long as the same pictures get the same addresses."""
        day = "" if self._key is None else f" {int(time.time()) // _DAY_S} {self._key.hex()}"
        return f"{self._base}{day}".encode()

    def original(self, image_id: str) -> str:
        """Where the original is."""
        return self._content(image_id, "")

    def thumbnail(self, image_id: str) -> str:
        """Where the thumbnail is."""
        return self._content(image_id, _THUMBNAIL)

    def heatmap(self, image_id: str, query: str) -> str:
        """Where it is shown why this text found it."""
        return self._address(image_id, "heatmap", f"query={quote(query, safe='')}")

    def _content(self, image_id: str, query: str) -> str:
        return self._address(image_id, "content", query)

    def _address(self, image_id: str, what: str, query: str) -> str:
        if self._key is not None:
            # The same all day long, so that browsers can keep what they fetched.
            expires = (int(time.time()) // _DAY_S + 2) * _DAY_S
            signed = f"expires={expires}&signature={self._signature(image_id, expires)}"
            query = f"{query}&{signed}" if query else signed
        return f"{self._base}/images/{image_id}/{what}{'?' if query else ''}{query}"

    def _signature(self, image_id: str, expires: int) -> str:
        assert self._key is not None
        message = f"{image_id}:{expires}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]

    def is_signed(self, image_id: str, expires: str, signature: str) -> bool:
        """Whether this signature opens this picture now."""
        if self._key is None or not (expires.isascii() and expires.isdigit()) or len(expires) > 12:
            return False
        expected = self._signature(image_id, int(expires))
        return int(expires) > time.time() and hmac.compare_digest(
            expected.encode(), signature.encode("utf-8", "replace")
        )
