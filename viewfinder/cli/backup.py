"""`viewfinder backup | restore`: everything in one file, and back from it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from viewfinder.cli.connection import INTERRUPTED, WRONG_ARGUMENT, fail
from viewfinder.cli.programs import programs_of
from viewfinder.cli.stack import CannotStartError, Stack
from viewfinder.cli.stack_settings import StackSettings
from viewfinder.errors import ViewfinderError
from viewfinder.settings import load_settings

if TYPE_CHECKING:
    from viewfinder.backup.layout import Manifest
    from viewfinder.cli.restoring import Restored

BACKUP_HELP = """Put catalogue, vectors and the list of originals into one file.

While Viewfinder runs it goes on: what was acknowledged before the backup began is in it, what comes
meanwhile may be. When nothing runs, the parts that are needed are started for it.

    viewfinder backup ~/Backups

    viewfinder backup ~/Backups/whole.tar --with-originals

    viewfinder backup --verify ~/Backups/whole.tar

TARGET is a file, replaced only by a whole new backup, or a folder that gets one with the time in
its name. Run it on the machine of `viewfinder up`. Without --with-originals, copy the folder
`originals` of the data folder yourself (rsync, say): its files never change.

Exit status: 0 done; 1 not done, or originals are missing; 2 a wrong argument, or a damaged file.
"""

RESTORE_HELP = """Restore what `viewfinder backup` made, on this machine or another.

Checks all of it first, builds it beside what is there, then puts it in its place at once: killed at
any moment, either all is as before or the next `viewfinder up` finishes it. The vectors go into the
index that the settings name, the embedded one or a Qdrant server, whichever they came from.

    viewfinder down

    viewfinder restore ~/Backups/whole.tar --replace

    viewfinder up --detach

Pictures that came or changed while the backup was made are put right by the workers afterwards;
thumbnails are rendered anew. A backup without originals wants them in the folder `originals` of the
data folder.

Exit status: 0 done; 1 not done; 2 it cannot be restored here (the line says why).
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup", help=BACKUP_HELP)(backup)
    app.command("restore", help=RESTORE_HELP)(restore)


def backup(
    target: Annotated[Path | None, typer.Argument(help="The file or folder.")] = None,
    with_originals: Annotated[
        bool, typer.Option("--with-originals", help="Put the pictures themselves in, too.")
    ] = False,
    verify: Annotated[
        Path | None,
        typer.Option("--verify", metavar="FILE", help="Make none; read this one and check it."),
    ] = None,
) -> None:
    """See BACKUP_HELP."""
    from viewfinder.backup.layout import BackupDamagedError, BackupNotReadableError
    from viewfinder.cli.backup_target import TargetError
    from viewfinder.cli.owners import OwnerFaultError

    if (target is None) == (verify is None):
        raise fail("Give a file or folder for the backup, or --verify FILE", WRONG_ARGUMENT)
    console = Console(highlight=False)
    _end_on_sigterm()
    try:
        with BackupBars(console) as bars:
            if verify is not None:
                _say(console, verify, _verified(verify, bars))
                return
            assert target is not None
            file, manifest = asyncio.run(_make(target, with_originals, bars))
    except (BackupDamagedError, BackupNotReadableError, TargetError) as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    except (OwnerFaultError, CannotStartError) as error:
        raise fail(str(error)) from None
    except ViewfinderError as error:
        raise fail(error.message) from None
    except OSError as error:
        raise fail(f"{target} cannot be written: {error.strerror or error}") from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    _say(console, file, manifest)
    if manifest.missing:
        raise fail(
            f"{manifest.missing:,} originals could not be read and are not in it; they are listed"
            f" with the reason: tar -xOf {file} originals-missing.jsonl"
        )


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Lose what the data folder holds; pictures of later, too."),
    ] = False,
    accept_missing: Annotated[
        bool,
        typer.Option("--accept-missing", help="Restore although originals are not there."),
    ] = False,
    hash_originals: Annotated[
        bool,
        typer.Option(
            "--hash-originals", help="Read originals that are there whole, not only their sizes."
        ),
    ] = False,
) -> None:
    """See RESTORE_HELP."""
    from viewfinder.backup.layout import BackupDamagedError, BackupNotReadableError
    from viewfinder.cli.owners import OwnerFaultError
    from viewfinder.cli.restoring import NotRestorableError

    console = Console(highlight=False)
    _end_on_sigterm()
    try:
        with BackupBars(console) as bars:
            done = _restore(source, replace, accept_missing, hash_originals, bars)
    except (BackupDamagedError, BackupNotReadableError, NotRestorableError) as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    except CannotStartError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    except OwnerFaultError as error:
        raise fail(f"Not restored, all is as before: {error}") from None
    except ViewfinderError as error:
        raise fail(f"Not restored, all is as before: {error.message}") from None
    except OSError as error:
        raise fail(f"Not restored: {error.strerror or error}") from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    _say_restored(console, done)


async def _make(target: Path, with_originals: bool, bars: BackupBars) -> tuple[Path, Manifest]:
    from viewfinder.cli.backup_target import TargetError, partial_file, target_of
    from viewfinder.cli.backup_writing import write_backup
    from viewfinder.cli.owners import owners_of

    settings = load_settings(StackSettings)
    file = target_of(target)
    originals = settings.originals_dir if with_originals else None
    if not settings.data_dir.is_dir():
        raise TargetError(f"There is no data folder {settings.data_dir.absolute()}")
    if originals is not None and not originals.is_dir():
        raise TargetError(f"The originals are not on this machine: no folder {originals}")
    with partial_file(file) as partial:
        async with owners_of(Stack(settings, programs_of(settings))) as owners:
            manifest = await write_backup(owners, originals, file, partial, bars)
    return file, manifest


def _restore(
    source: Path, replace: bool, accept_missing: bool, hashed: bool, bars: BackupBars
) -> Restored:
    from viewfinder.backup.archive_reader import ArchiveReader
    from viewfinder.cli import restoring

    settings = load_settings(StackSettings)
    with (
        ArchiveReader(source) as archive,
        Stack(settings, programs_of(settings)).kept_down("restored"),
    ):
        bars.begin("Checking", archive.size_bytes)
        manifest = archive.verify(bars.advance)
        restoring.check_place(settings.data_dir, archive, replace)
        if not manifest.has_originals and not accept_missing:
            restoring.check_originals(archive, settings.originals_dir, hashed, bars)
        return asyncio.run(restoring.restore(settings, archive, bars))


def _verified(path: Path, bars: BackupBars) -> Manifest:
    from viewfinder.backup.archive_reader import ArchiveReader

    with ArchiveReader(path) as archive:
        bars.begin("Checking", archive.size_bytes)
        return archive.verify(bars.advance)


def _say(console: Console, path: Path, manifest: Manifest) -> None:
    size = path.stat().st_size
    lines = [f"{path} is whole: {manifest.images:,} pictures, {size / 1e6:,.1f} MB"]
    lines += [
        f"  {one.points:,} vectors of {one.encoder}{' (answers)' if one.active else ''}"
        for one in manifest.collections
    ]
    kept = manifest.originals - manifest.missing
    lines.append(
        f"  {kept:,} originals in it, {manifest.originals_bytes / 1e6:,.1f} MB"
        if manifest.has_originals
        else f"  {manifest.originals:,} originals listed, not in it"
        f" ({manifest.originals_bytes / 1e6:,.1f} MB)"
    )
    console.print("\n".join(lines), soft_wrap=True, markup=False)


def _say_restored(console: Console, done: Restored) -> None:
    lines = [f"Restored: {done.manifest.images:,} pictures"]
    if done.to_embed or done.to_refresh or done.unknown:
        lines.append(
            f"  put right, since catalogue and vectors are of different moments: {done.to_embed:,}"
            f" pictures are embedded again, {done.to_refresh:,} written to the index again,"
            f" {done.unknown:,} vectors left out"
        )
    if done.encoder not in ("", "mini"):
        lines.append(
            f"  searches need the encoder {done.encoder}; see whether it is here with:"
            " viewfinder models list"
        )
    lines.append("Start it with: viewfinder up --detach")
    console.print("\n".join(lines), soft_wrap=True, markup=False)


def _end_on_sigterm() -> None:
    """As on Ctrl-C: what is half done is removed."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


class _Amount(ProgressColumn):
    """Bytes or pieces, as the task says."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes, self._pieces = DownloadColumn(), MofNCompleteColumn()

    def render(self, task: Task) -> Text:
        """One of the two."""
        column = self._bytes if task.fields["in_bytes"] else self._pieces
        return column.render(task)


class BackupBars:
    """A bar for each step; see backup_writing.Progress."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description:<26}"),
            BarColumn(),
            _Amount(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = (
            None
            if not console.is_terminal
            else self._bars.add_task("", visible=False, in_bytes=True)
        )

    def __enter__(self) -> BackupBars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, what: str, total: int, in_bytes: bool = True) -> None:
        """See Progress."""
        if self._task is not None:
            self._task = self._bars.add_task(what, total=total, in_bytes=in_bytes)

    def advance(self, amount: int) -> None:
        """See Progress."""
        if self._task is not None:
            self._bars.advance(self._task, amount)
