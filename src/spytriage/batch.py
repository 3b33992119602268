"""Many phones: the same check on each, side by side, resumed where it stopped.

Every phone is checked by a process of its own (`spytriage check`), so that one broken phone, or one that is killed,
costs itself only. A task is started by a thread of this process, or by a worker of a Dask cluster: both take it through
the same interface of `concurrent.futures`, so both run the same code.

The results folder holds a numbered folder for each phone. `cases.json` says which phone has which number: it names the
acquisitions, so it is for whoever has the phones. `summary.json` and `index.html` name numbers only. A phone that was
deleted (`strike`) is in none of them by name; a code that is made of its name at great cost keeps it from being checked
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from spytriage.atomic import replace_file
from spytriage.errors import SpytriageError
from spytriage.handoff import CUSTODY
from spytriage.i18n import _, current_language, direction, language_tag
from spytriage.jsontext import canonical
from spytriage.models import Outcome
from spytriage.statements import outcome_headline
from spytriage.yamltext import texts_in

CASES = "cases.json"
SUMMARY = "summary.json"
INDEX = "index.html"
CONSENT = "consent.yaml"
_ATTEMPTS = 2  # a phone that could not be checked is tried once more
_MOST_BYTES = 16 << 20
_MOST_PHONES = 1_000_000


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone of a batch.

    Attributes:
        name: how whoever has the phones calls it: the name of its folder, or of its entry in the list; "" when the
            batch does not know it any more (`strike`).
        path: its acquisition.
        consent: its consent record.
        number: of its report's folder; 0 before it has one.
    """

    name: str
    path: Path
    consent: Path
    number: int = 0

    @property
    def folder(self) -> str:
        """Return the name of its report's folder: it says nothing of the phone."""
        return f"{self.number:04d}"


class State(StrEnum):
    """What became of a phone."""

    CHECKED = "checked"
    FAILED = "failed"  # also at the second attempt
    DELETED = "deleted"  # by `spytriage forget`, which leaves the chain of custody; it is not checked again


@dataclass(frozen=True, slots=True)
class Result:
    """How the check of a phone ended.

    Attributes:
        phone: which.
        state: whether there is a report.
        outcome: of the report.
        keep_until: day that its consent names.
        why: the error, as the check printed it; it may name the phone.
        before: whether an earlier run of the batch had checked it.
    """

    phone: Phone
    state: State
    outcome: Outcome | None = None
    keep_until: date | None = None
    why: str = ""
    before: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What it takes to check one phone, here or on another machine that sees the same files.

    No password stands in it: it is read from the file by whoever runs the task.
    """

    phone: Phone
    output: Path
    options: tuple[str, ...]
    passwords: Path | None


# --- Which phones ------------------------------------------------------------------------------------------------


def phones_of(source: Path) -> list[Phone]:
    """Return the phones that a folder of folders or a list names, in order.

    A folder holds one for each phone, with the acquisition and its consent.yaml in it. A list is a YAML file with an
    entry for each: name, path, and consent unless that lies beside the path as consent.yaml; relative to the list.

    Raises:
        SpytriageError: it names no phone, two by one name, or cannot be read.
    """
    phones = _in_folder(source) if source.is_dir() else _in_list(source)
    names = [phone.name for phone in phones]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpytriageError(
            _("Two phones have the name {name}.").format(name=repr(twice[0])),
            path=source,
            hint=_("Give each phone a name of its own."),
        )
    if not phones:
        raise SpytriageError(
            _("No phone is named here."),
            path=source,
            hint=_("Give a folder with a folder for each phone, its backup and its consent.yaml in it, or a list."),
        )
    return phones


def _in_folder(folder: Path) -> list[Phone]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise _unreadable(folder) from error
    return [Phone(entry.name, entry.resolve(), (entry / CONSENT).resolve()) for entry in entries]


def _in_list(file: Path) -> list[Phone]:
    data = _yaml(file)
    if not isinstance(data, list):
        raise _not_a_list(file)
    phones = []
    for entry in data:
        if not isinstance(entry, dict) or not {"name", "path"} <= set(entry) <= {"name", "path", CONSENT[:-5]}:
            raise _not_a_list(file)
        if not all(isinstance(value, str) and value for value in entry.values()):
            raise _not_a_list(file)
        path = (file.parent / entry["path"]).absolute()
        consent = file.parent / entry["consent"] if "consent" in entry else path.parent / CONSENT
        phones.append(Phone(entry["name"], path, consent.absolute()))
    return phones


def _yaml(file: Path) -> Any:
    try:
        return texts_in(file, _MOST_BYTES)
    except OSError as error:
        raise _unreadable(file) from error
    except ValueError as error:
        raise _not_a_list(file) from error


def _not_a_list(file: Path) -> SpytriageError:
    return SpytriageError(
        _("This is not a list of phones."),
        path=file,
        hint=_("Write an entry for each: `- name: K-014`, and below it `path: ...` and `consent: ...`."),
    )


def _unreadable(path: Path) -> SpytriageError:
    return SpytriageError(_("This cannot be read."), path=path, hint=_("Check the path and its permissions."))


# --- Passwords ---------------------------------------------------------------------------------------------------


def passwords_of(file: Path) -> Mapping[str, str]:
    """Return the passwords that a protected file names: YAML, `name: password` for each encrypted phone.

    Raises:
        SpytriageError: others can read it, or it is no such file.
    """
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise _unreadable(file) from error
    if stat.S_IMODE(mode) & 0o077:
        raise SpytriageError(
            _("Others on this machine can read this file of passwords."),
            path=file,
            hint=_("Protect it first: `chmod 600 FILE`."),
        )
    data = _yaml(file)
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise SpytriageError(
            _("This is not a file of passwords."), path=file, hint=_("Write a line `name: password` for each phone.")
        )
    return data


# --- One phone ---------------------------------------------------------------------------------------------------


def check_one(task: Task) -> Result:
    """Check one phone in a process of its own; whatever happens to it is a result."""
    phone = task.phone
    command = [sys.executable, "-m", "spytriage", "check", str(phone.path), "--consent", str(phone.consent),
               "--output", str(task.output / phone.folder), "--quiet", "--jobs", "1", *task.options]  # fmt: skip
    try:
        status, said = _run(command, os.environ | _password_of(task))
    except (OSError, ValueError, SpytriageError) as error:  # ValueError: a path that no system has
        return Result(phone, State.FAILED, why=str(error))
    # Whatever it ended with: reports are whole, and one that a killed batch left running may have written it.
    if result := finished(task.output, phone):
        return result
    why = said.decode("utf-8", "replace").strip() or _("ended with code {code}").format(code=status)
    return Result(phone, State.FAILED, why=why)


_running: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()


def _run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes]:
    """Run a program; return its exit status and what it said on standard error."""
    with subprocess.Popen(  # noqa: S603 (our own interpreter)
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        _running.add(process)
        if _stopped.is_set():  # while it was being started
            process.terminate()
        try:
            _out, said = process.communicate()
        finally:
            _running.discard(process)
    return process.returncode, said


def stop() -> None:
    """End the checks that run here, and those that are just being started: the batch is being stopped."""
    _stopped.set()
    for process in list(_running):
        process.terminate()


def _password_of(task: Task) -> dict[str, str]:
    """Return the variable that opens the phone; the check takes it out of its environment at once."""
    password = passwords_of(task.passwords).get(task.phone.name) if task.passwords else None
    return {} if password is None else {"SPYTRIAGE_BACKUP_PASSWORD": password}


def finished(output: Path, phone: Phone) -> Result | None:
    """Return the result of a phone that has a report, or had one; reports are written whole or not at all."""
    folder = output / phone.folder
    if (not phone.name or (folder / CUSTODY).exists()) and not (folder / "report.json").exists():
        return Result(phone, State.DELETED)
    try:
        with (folder / "report.json").open("rb") as handle:
            report = json.loads(handle.read())
        outcome, until = Outcome(report["outcome"]), report["consent"]["keep_until"]
        return Result(phone, State.CHECKED, outcome, date.fromisoformat(until) if until else None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


# --- All of them -------------------------------------------------------------------------------------------------


def numbered(phones: Sequence[Phone], output: Path) -> list[Phone]:
    """Give every phone the number that it has in this folder, or a new one, and write them down.

    A phone that was struck out has its number and no name.

    Raises:
        SpytriageError: the folder is no folder of a batch, or cannot be written.
    """
    try:
        if not output.exists():
            output.mkdir(mode=0o700)
        is_new = all(entry.name.startswith(".") for entry in output.iterdir())  # what a killed run left, or .DS_Store
        cases = _Cases() if is_new else _Cases.read(output)
    except (OSError, _NoCasesError) as error:
        raise SpytriageError(
            _("This is not a folder that `spytriage batch` wrote."),
            path=output,
            hint=_("Give --output a new folder, or the folder of the batch to go on with."),
        ) from error
    found = [
        replace(phone, number=struck, name="")
        if (struck := cases.struck_number(phone.name))
        else replace(phone, number=cases.number(phone.name))
        for phone in phones
    ]
    cases.write(output)
    return found


class _NoCasesError(Exception):
    """There is no cases.json of a batch here."""


@dataclass(slots=True)
class _Cases:
    """The content of cases.json.

    Attributes:
        numbers: of the phones, by name.
        struck: numbers of those that were deleted, by a code of their names.
        salt: of these codes, hexadecimal.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    struck: dict[str, int] = field(default_factory=dict)
    salt: str = field(default_factory=lambda: secrets.token_hex(16))

    @classmethod
    def read(cls, output: Path) -> _Cases:
        """Return what a folder's cases.json says.

        Raises:
            _NoCasesError: there is none that a batch wrote.
        """
        try:
            content = json.loads((output / CASES).read_bytes())
            cases = cls(dict(content["numbers"]))
            if "struck" in content:
                cases.struck, cases.salt = dict(content["struck"]), content["salt"]
            bytes.fromhex(cases.salt)
            given = [*cases.numbers.values(), *cases.struck.values()]
            if not all(type(number) is int and 0 < number < _MOST_PHONES for number in given):
                raise ValueError("numbers")  # noqa: TRY301 (one error for all of them)
            if len(cases.taken) < len(given):
                raise ValueError("two phones of one number")  # noqa: TRY301
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _NoCasesError from error
        return cases

    def write(self, output: Path) -> None:
        """Write cases.json anew."""
        content: dict[str, Any] = {"schema_version": 1, "numbers": self.numbers}
        if self.struck:
            content |= {"struck": self.struck, "salt": self.salt}
        replace_file(output / CASES, canonical(content))

    @property
    def taken(self) -> set[int]:
        """Return the numbers that some phone has, or had."""
        return {*self.numbers.values(), *self.struck.values()}

    def number(self, name: str) -> int:
        """Return the number of a phone, a new one if it has none."""
        return self.numbers.setdefault(name, max(self.taken, default=0) + 1)

    def struck_number(self, name: str) -> int:
        """Return the number that a phone had before it was struck out; 0 when it was not."""
        return self.struck.get(self._code(name), 0) if self.struck and name not in self.numbers else 0

    def strike(self, number: int) -> bool:
        """Put a code in the place of the name that has a number; whether there was such a name."""
        names = [name for name, its in self.numbers.items() if its == number]
        for name in names:
            del self.numbers[name]
            self.struck[self._code(name)] = number
        return bool(names)

    def _code(self, name: str) -> str:
        # Names are short and easily guessed: each guess is made to cost 32 MB and a tenth of a second (RFC 7914).
        salt, text = bytes.fromhex(self.salt), name.encode("utf-8", "surrogateescape")
        return hashlib.scrypt(text, salt=salt, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=16).hex()


def strike(folder: Path) -> tuple[list[Path], list[Path]]:
    """Take a phone out of the files of its batch: its name out of cases.json, its outcome out of the overview.

    Args:
        folder: of its report.

    Returns:
        The files that were changed, and those that should have been and could not; neither when it is of no batch.
    """
    output, number = folder.absolute().parent, folder.absolute().name
    if not (number.isdecimal() and (output / CASES).is_file()):
        return [], []
    changed: list[Path] = []
    try:
        cases = _Cases.read(output)
        if cases.strike(int(number)):
            cases.write(output)
            changed.append(output / CASES)
    except (_NoCasesError, SpytriageError, OSError):
        return [], [output / CASES]
    try:
        rows = _Row.read(output)
        told = [_Row(row.number, State.DELETED) if row.number == number else row for row in rows]
        if told != rows:
            _write_overview(told, output)
            changed += [output / SUMMARY, output / INDEX]
    except (SpytriageError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return changed, [output / SUMMARY, output / INDEX]
    return changed, []


def run(
    phones: Sequence[Phone],
    output: Path,
    options: Sequence[str],
    executor: Executor,
    passwords: Path | None = None,
    ended: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Check every phone that has no report in `output` yet; each that fails, once more.

    Args:
        phones: which, `numbered`.
        output: where the reports go.
        options: of `spytriage check`, the same for all.
        executor: runs the tasks.
        passwords: file of passwords.
        ended: told each result as it comes.

    Returns:
        A result for each phone, in their order.
    """
    results: dict[int, Result] = {}

    def take(result: Result) -> None:
        results[result.phone.number] = result
        if ended:
            ended(result)

    tasks = []
    for phone in phones:
        if before := finished(output, phone):
            take(replace(before, before=True))
        else:
            tasks.append(Task(phone, output, tuple(options), passwords))
    for result in _each(tasks, executor):
        take(result)
    return [results[phone.number] for phone in phones]


def _each(tasks: Sequence[Task], executor: Executor) -> Iterator[Result]:
    """Yield the last result of each task as it comes."""
    running: dict[Future[Result], tuple[Task, int]] = {executor.submit(check_one, task): (task, 1) for task in tasks}
    try:
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task, attempt = running.pop(future)
                result = _of(future, task)
                if result.state is State.FAILED and attempt < _ATTEMPTS:
                    running[executor.submit(check_one, task)] = (task, attempt + 1)
                else:
                    yield result
    finally:
        for future in running:
            future.cancel()


def _of(future: Future[Result], task: Task) -> Result:
    """Return the result of a task, also of one whose machine went away."""
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 (a cluster raises errors of its own; each is a row of the summary)
        return Result(task.phone, State.FAILED, why=str(error))


def exit_code(results: Sequence[Result]) -> int:
    """Return 1 when a phone could not be checked, else the code of the strongest outcome."""
    if any(result.state is State.FAILED for result in results):
        return 1
    found = {result.outcome for result in results}
    order = (Outcome.MATCH, Outcome.SUSPICIOUS, Outcome.INCONCLUSIVE, Outcome.NO_MATCH)
    return next((outcome.exit_code for outcome in order if outcome in found), 0)


def overdue(results: Sequence[Result], today: date) -> list[Result]:
    """Return those whose consent ran out: what is kept of them must go."""
    return [result for result in results if result.keep_until and result.keep_until < today]


@dataclass(frozen=True, slots=True)
class _Row:
    """A phone in the overview."""

    number: str  # its folder
    state: State
    outcome: Outcome | None = None

    @classmethod
    def read(cls, output: Path) -> list[_Row]:
        """Return the rows of summary.json; none when the batch has not come to its end yet."""
        path = output / SUMMARY
        phones = json.loads(path.read_bytes())["phones"] if path.exists() else []
        return [
            cls(str(row["number"]), State(row["state"]), Outcome(row["outcome"]) if row["outcome"] else None)
            for row in phones
        ]

    def to_json(self) -> dict[str, str | None]:
        return {"number": self.number, "state": self.state.value, "outcome": self.outcome and self.outcome.value}


def write_summary(results: Sequence[Result], output: Path) -> None:
    """Write summary.json and index.html: numbers and outcomes, no name, no path, no error text.

    Raises:
        SpytriageError: they cannot be written.
    """
    _write_overview([_Row(result.phone.folder, result.state, result.outcome) for result in results], output)


def _write_overview(rows: Sequence[_Row], output: Path) -> None:
    replace_file(output / SUMMARY, canonical({"schema_version": 1, "phones": [row.to_json() for row in rows]}))
    replace_file(output / INDEX, _page(rows))


def _page(phones: Sequence[_Row]) -> bytes:
    from html import escape  # noqa: PLC0415

    head = "".join(f"<th scope=col>{escape(word)}</th>" for word in (_("Number"), _("State"), _("Outcome")))
    rows = "".join(
        "<tr><th scope=row>{number}</th><td>{state}</td><td>{outcome}<div>{words}</div></td></tr>\n".format(
            number=f'<a href="{escape(row.number)}/report.html">{escape(row.number)}</a>'
            if row.state is State.CHECKED
            else escape(row.number),
            state=row.state.value,
            outcome=row.outcome.value if row.outcome else "–",
            words=escape(outcome_headline(row.outcome)) if row.outcome else "",
        )
        for row in phones
    )
    language = current_language()
    title = escape(_("Phones of this batch"))
    note = escape(_("Each report says what was not checked: read it before you speak of an outcome."))
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        f'<!DOCTYPE html>\n<html lang="{language_tag(language)}" dir="{direction(language)}">\n'
        '<head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>\n'
        "<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:1.25rem}"
        "table{border-collapse:collapse}th,td{text-align:start;vertical-align:top;padding-block:.35rem;"
        "padding-inline:0 1rem;border-block-end:1px solid #8886}</style></head>\n"
        f"<body><main><h1>{title}</h1>\n<p>{note}</p>\n<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></main>"
        "</body>\n</html>\n"
    ).encode()
