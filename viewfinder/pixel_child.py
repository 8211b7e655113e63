"""The process that decodes: it has no secrets, little memory, bounded time, and may die.

It reads requests from a socket that it inherits, each with an open file, and answers until the
other side is gone. Started by pixels.py as `python -m viewfinder.pixel_child FD LIMITS`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import warnings
from typing import Any

from PIL import Image

from viewfinder.errors import BrokenImage, ViewfinderError
from viewfinder.pictures import PixelLimits
from viewfinder.pixel_wire import receive_request, send_answer
from viewfinder.pixel_work import PixelWork
from viewfinder.process_limits import limit, renew_cpu_time

_LONGEST_REASON = 200
_KEEP_DOCUMENT_S = 30.0  # of no requests; then its memory is given back


def main(arguments: list[str]) -> None:
    """Serve the socket with this descriptor until it is closed."""
    limits = PixelLimits(**json.loads(arguments[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = PixelWork(limits)
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    limit("RLIMIT_CORE", 0)
    limit("RLIMIT_FSIZE", 0)
    # libtiff and others write what they think of a file; the reason goes to the caller instead.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with socket.socket(fileno=int(arguments[0])) as connection:
        while True:
            if work.keeps_document and not select.select([connection], [], [], _KEEP_DOCUMENT_S)[0]:
                work.drop_document()
            request = receive_request(connection)
            if request is None:
                break
            renew_cpu_time(limits.timeout_s)
            limit("RLIMIT_AS", limits.memory_bytes)
            send_answer(connection, *_answer(*request, work))


def _answer(
    request: dict[str, Any], descriptor: int, work: PixelWork
) -> tuple[dict[str, Any], bytes | memoryview]:
    file_name = request["file_name"]
    try:
        with open(descriptor, "rb") as file:
            return work.answer(request, file, os.fstat(descriptor).st_size)
    except ViewfinderError as error:
        known = error
    except MemoryError:
        known = BrokenImage(file_name=file_name, reason="decoding needs more memory than allowed")
    except Exception as error:  # noqa: BLE001 - readers raise everything at hostile bytes
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        known = BrokenImage(file_name=file_name, reason=reason)
    return {"error": known.code, "fields": known.fields_json()}, b""


if __name__ == "__main__":
    main(sys.argv[1:])
