"""Holds the worker by means of the kernel, beside the lock of the interpreter (`guard`). Only Linux has them.

Three means, each of which may be missing (an old kernel, a container, a distribution that forbids user namespaces), and
none of which needs privileges:

- an empty network namespace: there is no network to reach, not even the machine itself;
- a mount namespace in which the acquisition is mounted read-only: nothing changes it, not even its times;
- Landlock: no file is written outside the private folders, and no program is started.

What is not there is not made up for: `spytriage doctor` tells which of them hold on this machine. The report does not,
since the same backup must give the same bytes on every machine.

Sources: unshare(2), user_namespaces(7), mount_setattr(2), capset(2), landlock(7) and <linux/landlock.h>.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY = 0x1 | 0x2 | 0x4 | 0x8  # MOUNT_ATTR_RDONLY, _NOSUID, _NODEV, _NOEXEC
# Numbers of system calls; the same on every architecture that is newer than they are.
_MOUNT_SETATTR, _CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 442, 444, 445, 446
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES_V3, _CAP_DAC_READ_SEARCH = 0x20080522, 1 << 2

# Landlock's rights to change files. Reading is not among them: the interpreter and its libraries lie anywhere.
_EXECUTE, _WRITE_FILE = 1 << 0, 1 << 1
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_SPECIAL_FILES = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11  # device, socket, FIFO, block device: nobody makes them
_SINCE_ABI = ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15))  # move between folders, cut short, control devices
_TCP = 1 << 0 | 1 << 1  # bind, connect
_SCOPES = 1 << 0 | 1 << 1  # abstract Unix sockets and signals, to processes outside


@dataclass(frozen=True, slots=True)
class Held:
    """What the kernel holds a worker by."""

    network: bool = False  # there is none
    evidence: bool = False  # is mounted read-only
    landlock: int = 0  # version of Landlock's interface that keeps it from writing elsewhere; 0: nothing does


def isolate(evidence: Path, folders: Sequence[Path]) -> Held:
    """Cut this process off for the rest of its life, as far as the system allows.

    Must come before it has a second thread: none of this reaches threads that are there already.

    Args:
        evidence: what must not be changed (an absolute path of a file or folder).
        folders: below which the process may write.

    Returns:
        What holds from now on. Never raises.
    """
    if sys.platform != "linux":
        return Held()
    kernel = _Kernel()
    network = kernel.leave_namespaces()
    inside = any(folder.resolve().is_relative_to(evidence.resolve()) for folder in folders)
    read_only = network and not inside and kernel.mount_read_only(evidence)
    kernel.drop_privileges()
    return Held(network, read_only, kernel.forbid_writing(folders))


class _Kernel:
    """System calls that Python has no names for."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._own_users = False  # whether we are in a user namespace of our own

    def leave_namespaces(self) -> bool:
        """Move to empty network and copied mount namespaces; return whether that went well."""
        user, group = os.geteuid(), os.getegid()
        # Root needs no user namespace, and would lose the right to read other people's files in one.
        if self._libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS) == 0:
            return True
        self._own_users = self._libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS) == 0
        if not self._own_users:
            return False
        with suppress(OSError):  # without this we are nobody in there, but work all the same
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        return True

    def mount_read_only(self, path: Path) -> bool:
        """Mount a path over itself, read-only with all that is mounted below it."""
        attributes, place = (ctypes.c_uint64 * 4)(_READ_ONLY), os.fsencode(path)
        return (
            # First of all, so that nothing of this is seen outside, where it would stay.
            self._libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None) == 0
            and self._libc.mount(place, place, None, ctypes.c_ulong(_MS_BIND | _MS_REC), None) == 0
            and self._call(_MOUNT_SETATTR, _AT_FDCWD, place, _AT_RECURSIVE, attributes, ctypes.sizeof(attributes)) == 0
        )

    def drop_privileges(self) -> None:
        """Give up every capability, for good; but root's to read what belongs to others."""
        self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        keep = 0 if self._own_users else _CAP_DAC_READ_SEARCH
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
        self._libc.capset(header, (ctypes.c_uint32 * 6)(keep, keep, 0, 0, 0, 0))

    def forbid_writing(self, folders: Sequence[Path]) -> int:
        """Allow writing below these folders only, and no execution; return the version of Landlock, or 0."""
        version = self._call(_CREATE_RULESET, None, 0, 1)
        if version < 1:
            return 0
        later = sum(right for since, right in _SINCE_ABI if version >= since)
        handled = _EXECUTE | _WRITE_FILE | _REMOVE_AND_MAKE | later
        ruleset = (ctypes.c_uint64 * 3)(handled, _TCP, _SCOPES)
        size = 8 if version < 4 else 16 if version < 6 else 24  # the network came with 4, scopes with 6
        rules = self._call(_CREATE_RULESET, ruleset, size, 0)
        if rules < 0:
            return 0
        try:
            here = handled & ~(_EXECUTE | _SPECIAL_FILES | 1 << 15)
            allowed = [self._allow(rules, folder, here) for folder in folders]
            allowed.append(self._allow(rules, Path(os.devnull), _WRITE_FILE))
            return version if all(allowed) and self._call(_RESTRICT_SELF, rules, 0) == 0 else 0
        finally:
            os.close(rules)

    def _allow(self, rules: int, path: Path, rights: int) -> bool:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # struct landlock_path_beneath_attr is packed: 64 bits of rights, 32 bits of descriptor.
            rule = rights.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
            return self._call(_ADD_RULE, rules, 1, rule, 0) == 0
        finally:
            os.close(descriptor)

    def _call(self, number: int, *arguments: object) -> int:
        # syscall(2) takes longs: a plain int would leave the upper half of a register undefined.
        longs = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
        return int(self._libc.syscall(ctypes.c_long(number), *longs))


if __name__ == "__main__":  # asked by `spytriage doctor`
    here = Path(__file__).resolve().parent
    print(json.dumps(asdict(isolate(here, ()))))  # noqa: T201
