"""The family of errors. Each carries its numbers and builds its own one-sentence message.

Kept apart are calls that cannot be done as asked (`Bad...`, exit code 2), intact data that allow no result
(`Unusable`), and faults of the machine that pass (`TryAgain`, exit code 75). Nothing to do is no error: the plan of the
night does not ask for it. Anything else that is raised is a bug and ends with a traceback.
"""

from __future__ import annotations

from pathlib import Path

EXIT_TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: the disk was full or the file server away; the same call may succeed later."""


class ZtfpipeError(Exception):
    """Base of all errors that ztfpipe raises on purpose."""


class BadName(ZtfpipeError):
    """A file name or path that is not of the archive's grammar, or leaves the archive."""

    def __init__(self, name: str | Path, reason: str) -> None:
        self.name, self.reason = str(name), reason
        super().__init__(f"{self.name}: {reason}")


class BadKey(ZtfpipeError):
    """A night, exposure, field, filter, CCD or quadrant outside its range."""

    def __init__(self, what: str, value: object, expected: str) -> None:
        self.what, self.value, self.expected = what, value, expected
        super().__init__(f"{what} {value!r} is not {expected}")


class BadFile(ZtfpipeError):
    """A file whose content cannot be used: what is wrong, and in which extension if it is one."""

    def __init__(self, path: str | Path, reason: str, hdu: int | None = None) -> None:
        self.path, self.reason, self.hdu = str(path), reason, hdu
        where = f"{self.path}[{hdu}]" if hdu is not None else self.path
        super().__init__(f"{where}: {reason}")


class BadSettings(ZtfpipeError):
    """A camera file or a section of config.yaml that does not validate."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{self.path}: {reason}")


class Busy(ZtfpipeError):
    """Somebody else works on it."""

    def __init__(self, what: str, holder: str) -> None:
        self.what, self.holder = what, holder
        super().__init__(f"{what} is being worked on by {holder}")


class Unusable(ZtfpipeError):
    """The data are intact but cannot be used; the products are still written, with STATUS=0."""

    def __init__(self, what: str, reason: str, **numbers: float) -> None:
        self.what, self.reason, self.numbers = what, reason, numbers
        detail = "".join(f", {name}={value:.6g}" for name, value in numbers.items())
        super().__init__(f"{what}: {reason}{detail}")


class TryAgain(ZtfpipeError):
    """The machine, not the data, failed: disk full, file server away. The step exits with 75."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{self.path}: {reason}")
