"""A wheel of this very windtunnel, made from what is installed: no source, no build tool and no index is needed.

An installed one has all its files in its RECORD, and they are packed again. An editable one has only a link to its
folder, and so has its wheel: what is edited is what plays, in every environment. (Its dependencies are those of the
time at which it was installed.) A link to the folder of an installed one would not do: all packages beside it would
come along.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

from windtunnel.harness.environments.probe import code_folder
from windtunnel.harness.errors import InputError

NOT_COPIED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
PACKAGE = "windtunnel"


def own_wheel(folder: Path) -> Path:
    """Write the wheel to `folder` and return its path; pip takes it as `PATH[lab]`."""
    dist = installed()
    contents = {**_metadata(dist), **_code(dist)}
    info = next(name.partition("/")[0] for name in contents if ".dist-info/" in name)
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: windtunnel\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = [_recorded(name, data) for name, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{PACKAGE}-{dist.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in contents.items():
            wheel.writestr(name, data)
    return path


def installed() -> Distribution:
    """This windtunnel as pip installed it; raises `InputError` if pip did not.

    A checkout that is on the path itself may have the metadata of its build before that, without a list of files.
    """
    for dist in distributions(name=PACKAGE):
        if any(file.name == "METADATA" for file in dist.files or ()):
            return dist
    raise InputError(
        "windtunnel", found="an installation without metadata", expected="one made by pip from a wheel"
    )


def is_editable(dist: Distribution) -> bool:
    """Whether a distribution is a link to its sources."""
    told = json.loads(dist.read_text("direct_url.json") or "{}")
    return bool(told.get("dir_info", {}).get("editable"))


def _metadata(dist: Distribution) -> dict[str, bytes]:
    return {
        file.as_posix(): Path(str(dist.locate_file(file))).read_bytes()
        for file in dist.files or ()
        if file.parts[0].endswith(".dist-info") and file.name not in NOT_COPIED
    }


def _code(dist: Distribution) -> dict[str, bytes]:
    if is_editable(dist):
        return {f"__{PACKAGE}__.pth": f"{_parent()}\n".encode()}
    files = [
        file
        for file in dist.files or ()
        if file.parts[0] == PACKAGE and "__pycache__" not in file.parts and file.suffix != ".pyc"
    ]
    if not files:
        raise InputError(
            "windtunnel", found="an installation without its list of files", expected="one made by pip"
        )
    return {file.as_posix(): Path(str(dist.locate_file(file))).read_bytes() for file in files}


def _parent() -> Path:
    """The folder on the path from which an editable windtunnel is imported."""
    import windtunnel

    found = Path(str(windtunnel.__file__)).absolute().parent.parent
    if not (found / PACKAGE).is_dir():
        raise InputError("windtunnel", found=f"no package in {found}", expected=f"one ({code_folder()})")
    return found


def _recorded(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"
