"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
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
