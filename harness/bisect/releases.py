"""The releases of a package, from pip alone: its configuration says which index they come from."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.version import InvalidVersion, Version

from windtunnel.harness.environments.pip import PipError, pip
from windtunnel.harness.errors import InputError, nearest

COMMAND = "windtunnel bisect"
LISTED = "Available versions:"
NEWEST = "newest"
NAMED = 5


def releases_of(
    package: str, *, python: str | None = None, pip_arguments: Sequence[str] = ()
) -> list[Version]:
    """All releases that pip finds for an interpreter, the oldest first, without pre-releases."""
    try:
        lines = pip("index", "versions", package, *pip_arguments, python=python)
    except PipError as error:
        raise InputError(COMMAND, path="--package", found=f"'{package}'", hint=str(error)) from error
    listed = next((line.partition(LISTED)[2] for line in lines if LISTED in line), "")
    found = {one for text in listed.split(",") if (one := _version(text)) is not None}
    if not found:
        raise InputError(COMMAND, path="--package", found=f"'{package}'", expected="a package with releases")
    return sorted(one for one in found if not one.is_prerelease)


def between(releases: Sequence[Version], good: str, bad: str, package: str) -> tuple[list[Version], bool]:
    """The releases from the older to the newer of the two, and whether the good one is the newer one."""
    ends = [_end(releases, text, option, package) for text, option in ((good, "--good"), (bad, "--bad"))]
    if ends[0] == ends[1]:
        raise InputError(COMMAND, path="--bad", found=f"{bad}, as --good", expected="another release")
    low, high = sorted(ends)
    return [one for one in releases if low <= one <= high], ends[0] > ends[1]


def _end(releases: Sequence[Version], text: str, option: str, package: str) -> Version:
    if text == NEWEST:
        return releases[-1]
    wanted = _version(text)
    if wanted is None:
        raise InputError(
            COMMAND,
            path=option,
            found=f"'{text}'",
            expected=f"a version, such as {releases[-1]}, or {NEWEST}",
        )
    for one in releases:
        if one == wanted:
            return one
    known = [str(one) for one in releases]
    near = nearest(text, known)
    expected = f"a release of {package} that pip finds: {known[0]} to {known[-1]}"
    raise InputError(COMMAND, path=option, found=f"'{text}'", expected=expected, hint=near)


def _version(text: str) -> Version | None:
    try:
        return Version(text.strip())
    except InvalidVersion:
        return None
