import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from viewfinder.cli.indexing import Indexer
from viewfinder.cli.walking import walk
from viewfinder.client import Client
from viewfinder.errors import StorageFull
from viewfinder.ids import image_id_of_file


class Silent:
    """No bars."""

    def looked(self, files: int) -> None: ...

    def found(self, to_send: int, *, last: bool) -> None: ...

    def sent(self, files: int) -> None: ...

    def searchable(self, done: int, total: int) -> None: ...


class FakeGateway:
    """Answers an index run; knows pictures by the bytes that were sent."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.uploads: list[list[str]] = []
        self.away = 0
        self.full = False
        self.interrupt_after: int | None = None

    def client(self) -> Client:
        return Client("http://gateway", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/images/lookup":
            known = [
                {"id": image_id, "state": self.states[image_id], "file_name": "x"}
                for image_id in json.loads(request.read())["ids"]
                if image_id in self.states
            ]
            return httpx.Response(200, json={"images": known})
        if path == "/images":
            return self._upload(request)
        job = {"job_id": "j", "total": len(self.states), "stored": 0, "failed": 0, "gone": 0}
        job |= {"indexed": len(self.states), "done": True}
        if path.endswith("/events"):
            return httpx.Response(200, text=f"event: job\ndata: {json.dumps(job)}\n\n")
        return httpx.Response(200, json=job)

    def _upload(self, request: httpx.Request) -> httpx.Response:
        if self.interrupt_after is not None and len(self.uploads) >= self.interrupt_after:
            raise KeyboardInterrupt
        if self.away:
            self.away -= 1
            raise httpx.ConnectError("away")
        if self.full:
            problem = {"type": "about:blank", "title": "t", "status": 507, "detail": "full"}
            problem |= {"code": "storage_full", "fields": {"where": "x", "reason": "full"}}
            return httpx.Response(507, json=problem)
        body = request.read().decode("latin-1")
        paths = re.findall(r'name="file_path"\r\n\r\n(.*?)\r\n', body)
        images, rejected = [], []
        for path in paths:
            name = Path(path).name
            if name.startswith("bad"):
                problem = {
                    "type": "about:blank",
                    "title": "t",
                    "status": 415,
                    "detail": "no picture",
                }
                rejected.append({"file_name": name, "error": {**problem, "code": "broken_image"}})
                continue
            image_id = str(image_id_of_file(Path(path)))
            self.states[image_id] = "indexed"
            images.append(
                {
                    "id": image_id,
                    "url": "/u",
                    "thumbnail_url": "/t",
                    "state": "stored",
                    "duplicate": False,
                    "file_name": name,
                }
            )
        self.uploads.append([Path(path).name for path in paths])
        return httpx.Response(202, json={"images": images, "rejected": rejected, "job_id": "j"})


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        (tmp_path / f"{number:02}.jpg").write_bytes(f"picture {number}".encode())
    return tmp_path


def run(gateway: FakeGateway, files: list[Path], parallel: int = 2) -> Indexer:
    with gateway.client() as client:
        indexer = Indexer(client, ["tag"], parallel, Silent())
        indexer.run(files)
    return indexer


def outcomes(indexer: Indexer) -> dict[str, str]:
    return {Path(entry.path).name: entry.outcome for entry in indexer.report.entries}


def test_every_new_file_is_sent_once_in_small_groups(gateway: FakeGateway, folder: Path) -> None:
    indexer = run(gateway, sorted(folder.iterdir()))
    sent = [name for upload in gateway.uploads for name in upload]
    assert sorted(sent) == [f"{number:02}.jpg" for number in range(20)]
    assert max(len(upload) for upload in gateway.uploads) <= 8
    assert set(outcomes(indexer).values()) == {"indexed"}
    assert indexer.report.complete


def test_what_is_there_is_skipped_and_what_failed_is_sent_again(
    gateway: FakeGateway, folder: Path
) -> None:
    gateway.states = {
        str(image_id_of_file(folder / "00.jpg")): "indexed",
        str(image_id_of_file(folder / "01.jpg")): "failed",
    }
    indexer = run(gateway, sorted(folder.iterdir()))
    assert outcomes(indexer)["00.jpg"] == "skipped"
    assert outcomes(indexer)["01.jpg"] == "indexed"
    assert all("00.jpg" not in upload for upload in gateway.uploads)


def test_the_same_bytes_twice_are_sent_once(gateway: FakeGateway, folder: Path) -> None:
    (folder / "copy.jpg").write_bytes((folder / "00.jpg").read_bytes())
    indexer = run(gateway, sorted(folder.iterdir()))
    assert outcomes(indexer)["copy.jpg"] == "duplicate"
    assert indexer.report.complete


def test_one_bad_file_fails_alone_with_its_reason(gateway: FakeGateway, folder: Path) -> None:
    (folder / "bad.jpg").write_bytes(b"not a picture")
    indexer = run(gateway, sorted(folder.iterdir()))
    (entry,) = [each for each in indexer.report.entries if each.outcome != "indexed"]
    assert (Path(entry.path).name, entry.outcome, entry.reason) == (
        "bad.jpg",
        "refused",
        "no picture",
    )
    assert not indexer.report.complete


def test_a_file_that_vanished_is_said(gateway: FakeGateway, folder: Path) -> None:
    indexer = run(gateway, [folder / "00.jpg", folder / "gone.jpg"])
    assert outcomes(indexer) == {"00.jpg": "indexed", "gone.jpg": "failed"}


def test_a_gateway_that_is_away_for_a_moment_is_waited_for(
    gateway: FakeGateway, folder: Path
) -> None:
    gateway.away = 1
    assert run(gateway, [folder / "00.jpg"]).report.complete


def test_a_full_store_ends_the_run(gateway: FakeGateway, folder: Path) -> None:
    gateway.full = True
    with pytest.raises(StorageFull):
        run(gateway, sorted(folder.iterdir()))


def test_stopped_and_run_again_it_goes_on(gateway: FakeGateway, folder: Path) -> None:
    gateway.interrupt_after = 1
    first = run(gateway, sorted(folder.iterdir()), parallel=1)
    assert first.report.interrupted
    assert not first.report.complete
    assert len(gateway.states) == 8
    gateway.interrupt_after = None
    second = run(gateway, sorted(folder.iterdir()))
    assert second.report.counts() == {"skipped": 8, "indexed": 12}


def test_the_manifest_tells_of_every_file(
    gateway: FakeGateway, folder: Path, tmp_path: Path
) -> None:
    indexer = run(gateway, sorted(folder.glob("*.jpg")))
    manifest = tmp_path / "deep" / "manifest.json"
    indexer.report.write(manifest)
    written: dict[str, Any] = json.loads(manifest.read_text())
    assert written["counts"] == {"indexed": 20}
    assert written["files"][0]["path"] == str(folder / "00.jpg")
    assert [path.name for path in manifest.parent.iterdir()] == ["manifest.json"]


def test_a_walk_takes_pictures_leaves_hidden_files_and_survives_loops(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("z.JPG", "a.png", "notes.txt", "b/c.heic", ".hidden/d.jpg", ".e.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in walk([tmp_path], recursive=True)]
    assert names == ["a.png", "b/c.heic", "z.JPG"]
    assert len(list(walk([tmp_path], recursive=False))) == 2


def test_a_file_named_is_taken_whatever_its_suffix_and_only_once(tmp_path: Path) -> None:
    (tmp_path / "a.dat").touch()
    assert len(list(walk([tmp_path / "a.dat", tmp_path / "a.dat"], recursive=True))) == 1


def test_pdfs_in_folders_are_indexed_too_with_the_password(tmp_path: Path) -> None:
    (tmp_path / "contract.PDF").write_bytes(b"%PDF-1.7")
    (tmp_path / "notes.txt").write_bytes(b"no")
    bodies: list[bytes] = []
    gateway = FakeGateway()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/images":
            bodies.append(request.read())
        return gateway._answer(request)

    with Client("http://gateway", transport=httpx.MockTransport(answer)) as client:
        indexer = Indexer(client, [], 1, Silent(), "open sesame")
        report = indexer.run(walk([tmp_path], recursive=True))
    assert [Path(entry.path).name for entry in report.entries] == ["contract.PDF"]
    assert b'name="password"\r\n\r\nopen sesame' in bodies[0]
