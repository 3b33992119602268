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
        os.link(temporary, path)  # unlike rename, refuses to replace
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
