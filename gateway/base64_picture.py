"""Pictures inside JSON."""

from __future__ import annotations

import base64
import binascii

from viewfinder.errors import FileTooLarge, InvalidRequest


def from_base64(text: str, limit_bytes: int) -> bytes:
    """The bytes behind standard base64; white space is passed over.

    Raises:
        InvalidRequest: it is no base64.
        FileTooLarge: more than `limit_bytes`.
    """
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(
            field="image_base64", value=ascii(text[:40]), allowed=f"standard base64 ({error})"
        ) from error
    if len(data) > limit_bytes:
        raise FileTooLarge(size_bytes=len(data), limit_bytes=limit_bytes)
    return data
