"""A model that says at once when it was asked and when it answered, over Ollama's protocol.

It does not look at anything: `viewfinder bench answer` measures what stands before a model.
`python -m bench.model_server` prints its port and serves until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

_WORDS = 8
_PATH_SHOW = "/api/show"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            sizes = [line[15:] for line in lines if line.lower().startswith("content-length:")]
            if sizes:
                await reader.readexactly(int(sizes[0]))
            asked = time.perf_counter()
            if _PATH_SHOW in lines[0]:
                body = json.dumps({"capabilities": ["vision"], "model_info": {}}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                continue
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            _say(writer, f"{asked} {time.perf_counter()}")
            for number in range(_WORDS):
                _say(writer, f" word {number}", done=number == _WORDS - 1)
            writer.write(b"0\r\n\r\n")
            await writer.drain()
    except (EOFError, OSError):
        pass
    finally:
        writer.close()


def _say(writer: asyncio.StreamWriter, text: str, done: bool = False) -> None:
    message = {"role": "assistant", "content": text}
    line = json.dumps({"model": "clock", "message": message, "done": done}).encode() + b"\n"
    writer.write(b"%x\r\n%b\r\n" % (len(line), line))


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
