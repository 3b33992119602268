"""What the ledger should say of each fault, and the few that leave nothing to tell them by."""

from __future__ import annotations

from tests.faults.cases import Case

_UNREADABLE = "unreadable/"
_DAMAGE = {
    *(f"{_UNREADABLE}{reason}" for reason in ("damaged", "unknown-layout", "partly-read", "partly-recovered")),
    *(f"{_UNREADABLE}{reason}" for reason in ("artefact-missing", "not-a-regular-file")),
    "failed/exception",
}
# What every acquisition holds is missing where it is no file; a module that opens it by itself meets an exception.
_NOT_A_FILE = frozenset(f"{_UNREADABLE}{reason}" for reason in ("not-a-regular-file", "artefact-missing", "exception"))
_OF: tuple[tuple[str, frozenset[str]], ...] = (
    ("missing", frozenset({f"{_UNREADABLE}artefact-missing", f"{_UNREADABLE}partly-read", "no-data/not-in-source"})),
    ("a folder", _NOT_A_FILE),
    ("a pipe", _NOT_A_FILE),
    ("a device", _NOT_A_FILE),
    ("a link", _NOT_A_FILE),
    (
        "not permitted",
        frozenset({f"{_UNREADABLE}permission-denied", f"{_UNREADABLE}damaged", f"{_UNREADABLE}artefact-missing"}),
    ),
    (
        "folder",
        frozenset(
            f"{_UNREADABLE}{reason}"
            for reason in ("permission-denied", "not-a-regular-file", "artefact-missing", "partly-read")
        ),
    ),
    ("page", frozenset({f"{_UNREADABLE}partly-recovered", f"{_UNREADABLE}damaged", f"{_UNREADABLE}partly-read"})),
    # What stands at the wrong place may pass for a row, and be one that a module cannot bear.
    ("pointer", frozenset({f"{_UNREADABLE}partly-recovered", "failed/exception"})),
    ("rows", frozenset({f"{_UNREADABLE}partly-recovered"})),
    ("table", frozenset({f"{_UNREADABLE}unknown-layout", f"{_UNREADABLE}partly-read"})),
    ("column", frozenset({f"{_UNREADABLE}unknown-layout", f"{_UNREADABLE}partly-read", "failed/exception"})),
    ("more columns", frozenset()),
    ("key", frozenset({f"{_UNREADABLE}unknown-layout"})),
)


def expected(case: Case) -> frozenset[str]:
    """Return what the ledger may say of the modules that a fault concerns."""
    told = next((words for name, words in _OF if case.fault.startswith(name)), frozenset(_DAMAGE))
    # Of a whole that broke, a module may have read its own part and found all of it: another one has the gap, and the
    # outcome says so, which the test holds for every case.
    return told | {"checked", "no-data/not-in-source"} if case.artefact.endswith(_WHOLES) else told


_WHOLES = ("the archive", "bugreport-demo.txt", "bugreport.zip", "backup.ab")
_CRASH, _MOUNTS = "FS/data/tombstones/tombstone_00", "FS/proc/100/mountinfo"
_ON_EVERY_PHONE = ("SMS/sms.db", "TCC/TCC.db")
_LOST_WITHOUT_A_SIGN = frozenset({
    # Many phones have no record of a crash, and nothing in a bug report says how many there were.
    f"android-bugreport | {_CRASH} | missing",
    f"android-bugreport | {_MOUNTS} | missing",
    f"androidqf (nested) | bugreport.zip: {_CRASH} | missing",
    f"androidqf (nested) | bugreport.zip: {_MOUNTS} | missing",
    "ios-sysdiagnose | crashes_and_spins/demobridged-2024.ips | missing",
    # Since iOS 14.7 this list is empty on every phone.
    "ios-backup | com.apple.identityservices.idstatuscache.plist | no keys, as backed up",
})  # fmt: skip


def nobody_can_tell(case: Case) -> bool:
    """Return whether a fault leaves nothing that could tell of it: docs/explanation/architecture.md names them."""
    # A dump of a file system has no list of its files, and most are not on every phone.
    is_optional = case.kind == "ios-filesystem" and not case.artefact.endswith(_ON_EVERY_PHONE)
    return case.id in _LOST_WITHOUT_A_SIGN or (is_optional and case.fault == "missing")
