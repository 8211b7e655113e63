"""How long until a picture can be found, and how many a second come in."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from rich.console import Console

from bench.figures import Figures, machine, summary
from bench.made_pictures import made_pictures, write_pictures
from viewfinder.cli.indexing import Indexer
from viewfinder.cli.output import IndexBars
from viewfinder.client import Client, FileToUpload


def measure_ingest(
    api_url: str, pictures: int, single_uploads: int, folder: Path | None
) -> Figures:
    """Upload-to-searchable delay of single pictures, then the rate of many at once.

    The delay is from the start of the upload until a search returns the picture.
    """
    figures: Figures = {}
    with Client(api_url) as client:
        delays = [
            _delay_s(client, content) for content in made_pictures(single_uploads + 1, seed=1)
        ]
        figures |= summary("upload_to_searchable", delays[1:])  # the first one warms up
        with tempfile.TemporaryDirectory() as made:
            files = (
                sorted(path for path in folder.rglob("*") if path.is_file())[:pictures]
                if folder is not None
                else write_pictures(Path(made), pictures, seed=2)
            )
            with IndexBars(Console()) as bars:
                began = time.perf_counter()
                indexed = Indexer(client, [], 4, bars).run(files).counts()["indexed"]
                took_s = time.perf_counter() - began
        figures |= {
            "pictures": indexed,
            "ingest_s": round(took_s, 3),
            "pictures_per_s": round(indexed / took_s, 2),
        }
    return figures | machine()


def _delay_s(client: Client, content: bytes) -> float:
    began = time.perf_counter()
    accepted = client.upload([FileToUpload(content, file_name="single.jpg")])
    for _ in client.watch_job(accepted.job_id):
        pass
    wanted = accepted.images[0].id
    found = client.search_by_image(content, top_k=5).results
    if wanted not in {hit.id for hit in found}:
        raise RuntimeError(f"{wanted} is reported as searchable but is not found")
    return time.perf_counter() - began
