"""Writing a file, or a folder of files, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.i18n import _


def write_new_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file that must not exist yet: it appears complete, or not at all.

    Raises:
        SpytriageError: the file exists already, or cannot be written.
    """
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".spytriage-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as handle:
            os.fchmod(descriptor, mode)
            handle.write(content)
            handle.flush()
            os.fsync(descriptor)
        _put_in_place(Path(temporary), path)
    except FileExistsError as error:
        raise SpytriageError(
            _("This file exists already."), path=path, hint=_("Choose another name; nothing was changed.")
        ) from error
    except OSError as error:
        raise SpytriageError(
            _("This file cannot be written."), path=path, hint=_("Choose a folder that you may write to.")
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file in place of the one of that name: there is always either the old one or the new one.

    Raises:
        SpytriageError: it cannot be written.
    """
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".spytriage-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as handle:
            os.fchmod(descriptor, mode)
            handle.write(content)
            handle.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
        raise SpytriageError(
            _("This file cannot be written."), path=path, hint=_("Choose a folder that you may write to.")
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


def put_folder_in_place(outputs: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a new or empty folder (mode 700, files 600): all of them, or nothing.

    Raises:
        OSError: the folder holds something or cannot be written.
    """
    # mkdtemp gives mode 700; beside the target, because a rename cannot cross file systems.
    private = Path(tempfile.mkdtemp(prefix=".spytriage-", dir=folder.parent))
    try:
        for name, data in outputs.items():
            _write(private / name, data)
        _sync_folder(private)
        private.replace(folder)
    except BaseException:
        shutil.rmtree(private, ignore_errors=True)
        raise
    with suppress(OSError):  # the report is complete; some file systems cannot sync a folder
        _sync_folder(folder.parent)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
