"""Writing a file, or a folder of files, whole or not at all.

Everything is written under another name beside the target, brought to the disk, and then renamed. What a killed run
left under such a name is removed by the next one that writes to the same place: as long as a run is alive, it holds a
lock on what it writes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.undo import undone

_PREFIX = ".spytriage-unfinished-"


def write_new_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file that must not exist yet: it appears complete, or not at all.

    Raises:
        SpytriageError: the file exists already, or cannot be written.
    """
    _write_file(path, content, mode, _put_in_place)


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file in place of the one of that name: there is always either the old one or the new one.

    Raises:
        SpytriageError: it cannot be written.
    """
    _write_file(path, content, mode, Path.replace)


def put_folder_in_place(outputs: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a new or empty folder (mode 700, files 600): all of them, or nothing.

    Raises:
        OSError: the folder holds something or cannot be written.
    """
    with filled_folder(folder) as private:
        fill_folder(outputs, private)


@contextmanager
def filled_folder(folder: Path) -> Iterator[Path]:
    """Give a private folder (mode 700) that takes the place of a new or empty one when the block ends well.

    Raises:
        OSError: the folder holds something or cannot be written.
    """
    with _unfinished(folder.parent, _new_folder) as (private, _descriptor):
        yield private
        _sync(private)
        private.replace(folder)
    _sync(folder.parent)


def require_free(path: Path) -> None:
    """See that a file is not there yet, before somebody takes the trouble of what shall stand in it.

    Raises:
        SpytriageError: it exists already.
    """
    if os.path.lexists(path):
        raise _taken(path)


def _taken(path: Path) -> SpytriageError:
    return SpytriageError(
        _("This file exists already."), path=path, hint=_("Choose another name; nothing was changed.")
    )


def fill_folder(outputs: Mapping[str, bytes], private: Path) -> None:
    """Write new files (mode 600) into a private folder that has its name yet to come.

    Raises:
        OSError: one is there already or cannot be written.
    """
    for name, data in outputs.items():
        _fill(os.open(private / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), data)


def _write_file(path: Path, content: bytes, mode: int, put: Callable[[Path, Path], object]) -> None:
    try:
        with _unfinished(path.parent, _new_file) as (temporary, descriptor):
            os.fchmod(descriptor, mode)
            _fill(os.dup(descriptor), content)
            put(temporary, path)
        _sync(path.parent)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise SpytriageError(
            _("This file cannot be written."),
            path=path,
            hint=_("Choose a folder that you may write to and that has space left."),
        ) from error


def _put_in_place(temporary: Path, path: Path) -> None:
    """Give a file its name, refusing to replace another one."""
    try:
        path.hardlink_to(temporary)  # unlike rename, refuses by itself
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.rename(path)  # exFAT, as on many memory sticks, has no links


def _fill(descriptor: int, content: bytes) -> None:
    """Write a file to the disk, and close it."""
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Bring a folder's new names to the disk; what is in its files is there already."""
    with suppress(OSError):  # some file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- Under another name -----------------------------------------------------------------------------------------


@contextmanager
def _unfinished(parent: Path, make: Callable[[Path], int]) -> Iterator[tuple[Path, int]]:
    """Give a private file or folder beside the target, and a descriptor of it; it is gone afterwards, if still there.

    Raises:
        OSError: it cannot be made.
    """
    _sweep(parent)
    path = parent / f"{_PREFIX}{os.urandom(8).hex()}"
    with undone(partial(_remove, path)):
        descriptor = make(path)
        try:
            with suppress(OSError):  # some file systems have no locks; there nothing is swept either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not path.exists():  # another run swept it in the moment before it was locked
                raise BlockingIOError(path)
            yield path, descriptor
        finally:
            os.close(descriptor)


def _new_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _new_folder(path: Path) -> int:
    path.mkdir(mode=0o700)
    return os.open(path, os.O_RDONLY)


def _sweep(parent: Path) -> None:
    """Remove what runs that are no more left unfinished: it has our name, is ours, and nobody holds its lock."""
    with suppress(OSError):
        for path in [entry for entry in parent.iterdir() if entry.name.startswith(_PREFIX)]:
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.fstat(descriptor).st_uid == os.getuid():
                        _remove(path)
                finally:
                    os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
