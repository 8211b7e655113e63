"""A catalogue of before refusals were counted, and before descriptions had words of their own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from sqlalchemy import URL, create_engine, text

from upload_service.database import migrations, open_catalogue

_IMAGE = (
    "INSERT INTO images (seq, id, sha256, blob_key, state, failure, file_name, file_path,"
    " media_type, size_bytes, width, height, tags, metadata, exif, uploaded_at, version,"
    " indexed_version, lost_claims, retries) VALUES (:seq, :id, '', '', 'indexed', '', 'a.jpg', '',"
    " 'image/jpeg', 1, 1, 1, '[]', '{}', '{}', 0, 1, 1, 0, 0)"
)
_DESCRIPTION = (
    "INSERT INTO descriptions (seq, content, model, edited, took_s, failure, turn, tries, retries)"
    " VALUES (:seq, :content, 'looker', 0, 1, :failure, 1, 0, 0)"
)


def test_what_is_described_comes_to_the_index_again_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    engine = create_engine(URL.create("sqlite", database=str(file)))
    with engine.connect() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
    with engine.begin() as connection:
        for seq in (1, 2, 3):
            connection.execute(text(_IMAGE), {"seq": seq, "id": f"id-{seq}"})
        for seq, content, failure in ((1, '{"caption": "A dog"}', ""), (2, None, "torn")):
            values = {"seq": seq, "content": content, "failure": failure}
            connection.execute(text(_DESCRIPTION), values)
    engine.dispose()
    open_catalogue(file).dispose()
    with sqlite3.connect(file) as database:
        rows = database.execute("SELECT seq, version, work_due IS NOT NULL FROM images").fetchall()
        assert rows == [(1, 2, 1), (2, 1, 0), (3, 1, 0)]
        kept = database.execute("SELECT failure, failure_model, refusals FROM descriptions")
        assert kept.fetchall() == [("", "", 0), ("torn", "", 0)]
