"""A gateway between client and provider: how it is started, and what its configuration is made from.

`path: [client, NAME, provider]` ─► gateways/NAME.yaml beside the scenario or here ─► one that is known by name
                                                └─► Gateway ─► run/gateway.py fills it in and starts it
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from windtunnel.harness.environments.home import RECORD, env_folder
from windtunnel.harness.environments.interpreter import create_command
from windtunnel.harness.errors import InputError, listing, nearest
from windtunnel.harness.inputs.validation import InputPart, complaint, validate
from windtunnel.harness.inputs.yaml_source import YamlSource, read_yaml
from windtunnel.mock_server.plan.units import PositiveSeconds

CLIENT, PROVIDER = "client", "provider"
DIRECT = "direct"
"""For `--path`: no gateway, whatever the scenario says."""

VALUES = {
    "port": "the port that it must listen on, at 127.0.0.1",
    "folder": "the folder of its files, which is the one that it is started in",
    "env": "the folder of its environment",
    "gateways": "the folder of the gateways that are known by name",
    "model": "the model that the load asks for",
    "key": "the key that clients send",
    "urls": "the base URLs of all regions, with commas between; the region that the load calls comes first",
    "url": "the base URL of the region, with /v1 at its end; outside of each_region, of the first",
    "region": "the region's name; outside of each_region, that of the first",
    "number": "the number of the region, from 1",
}
"""What `${…}` stands for in a command, an environment and files. A value that is one `${number}` alone is a number."""

EACH_REGION = "each_region"
_PLACE = re.compile(r"\$\{([^}]*)\}")
_STAND_INS = {"name": "gateway", "about": "about", "command": "gateway"}


class GatewayEnvironment(InputPart):
    """Where a gateway is installed: one of `windtunnel env`, made by one command."""

    name: str = Field(min_length=1, description="The name of the environment.")
    kind: Literal["python", "npm"] = Field(default="python", description="Who installs it.")
    with_: tuple[str, ...] = Field(
        default=(), alias="with", description="What is installed in it, as pip or npm call it."
    )
    needs: str = Field(description="What must be in it, such as bin/litellm; `*` is a wildcard.")

    @property
    def folder(self) -> Path:
        return env_folder(self.name)

    @property
    def command(self) -> str:
        """The one command that makes it."""
        replace = (self.folder / RECORD).exists()  # it was made for something else
        if self.kind == "npm":
            options = [word for package in self.with_ for word in ("--npm", package)]
            again = ["--replace"] if replace else []
            return shlex.join(["windtunnel", "env", "create", self.name, *options, *again])
        return create_command(self.name, self.with_, replace=replace)

    @property
    def is_there(self) -> bool:
        """Whether it has what is needed."""
        return any(self.folder.glob(self.needs))


class Gateway(InputPart):
    """A program between client and provider that speaks the provider's API on both sides."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="What it is called.")
    about: str = Field(min_length=1, description="What it is, and how it is set up, in a sentence or two.")
    environment: GatewayEnvironment | None = Field(
        default=None, description="Where it is installed; null: its command is found as any other."
    )
    command: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1,
        description="The program and its arguments. ${port}, ${folder} and others are filled in.",
    )
    files: dict[str, Any] = Field(
        default={},
        description="Files that it reads, by name. A text is written as it is, anything else as JSON (which is YAML, "
        "too); in a list, {each_region: …} stands for one element a region.",
    )
    env: dict[str, str] = Field(default={}, description="Variables of its environment.")
    base_path: str = Field(
        default="/v1", pattern=r"^(/[A-Za-z0-9._/-]*)?$", description="What clients put behind its address."
    )
    health: str = Field(
        default="/health", pattern=r"^/", description="A path that answers 2xx once it can take requests."
    )
    ready_within: PositiveSeconds = Field(
        default=60.0, description="How long it may take until it can take requests."
    )

    @field_validator("files")
    @classmethod
    def _inside(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in given:
            if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
                raise complaint(name, f"the file '{name}'", "a plain file name, without a folder")
        return given

    @model_validator(mode="after")
    def _known_values(self) -> Gateway:
        for where, text in _texts(self):
            for word in _PLACE.findall(text):
                if word not in VALUES:
                    raise complaint(where, f"${{{word}}}", f"one of {listing(sorted(VALUES))}")
                if word == "env" and self.environment is None:
                    raise complaint(where, "${env} without an environment", "the key environment")
        return self

    def missing(self) -> InputError | None:
        """What to tell where its environment is not there; None if it is, or if it needs none."""
        where = self.environment
        if where is None or where.is_there:
            return None
        return InputError(
            f"gateway {self.name}",
            path="environment",
            found=f"no {where.needs} in {where.folder}",
            expected="what this makes",
            hint=where.command,
        )


def _texts(gateway: Gateway) -> Iterator[tuple[str, str]]:
    """Every text in which values are filled in, and where it stands."""
    for key in ("command", "files", "env"):
        for text in _strings(getattr(gateway, key)):
            yield key, text


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from _strings(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _strings(value)


def fill(text: str, values: dict[str, str]) -> str:
    """`text` with each `${name}` as its value."""
    return _PLACE.sub(lambda found: values[found[1]], text)


def filled(data: Any, values: dict[str, str], regions: Iterable[dict[str, str]]) -> Any:
    """The same for data of any form; `{each_region: …}` in a list becomes an element for each of `regions`."""
    if isinstance(data, str):
        return int(values["number"]) if data == "${number}" else fill(data, values)
    if isinstance(data, dict):
        return {fill(str(key), values): filled(value, values, regions) for key, value in data.items()}
    if not isinstance(data, list | tuple):
        return data
    out: list[Any] = []
    for item in data:
        if isinstance(item, dict) and set(item) == {EACH_REGION}:
            out += [filled(item[EACH_REGION], {**values, **own}, ()) for own in regions]
        else:
            out.append(filled(item, values, regions))
    return out


def read_gateway(path: Path) -> Gateway:
    """The gateway of a YAML file. Raises InputError with everything that is wrong with it."""
    source = read_yaml(path)
    return validate(_named(source, path.stem), Gateway, _STAND_INS)


def _named(source: YamlSource, name: str) -> YamlSource:
    source.data.setdefault("name", name)
    return source


def gateways_folder() -> Path:
    """Where the gateways that are known by name are described."""
    return Path(str(files("windtunnel.harness.gateways")))


def shipped() -> dict[str, Path]:
    """The gateways that are known by name."""
    return {path.stem: path for path in sorted(gateways_folder().glob("*.yaml"))}


def find_gateway(word: str, base: Path = Path()) -> Path:
    """The file of a gateway: a path, `gateways/NAME.yaml` in `base` or here, or one that is known by name.

    Raises InputError if there is none.
    """
    if "/" in word or word.endswith((".yaml", ".yml")):
        path = base / word
        if not path.is_file():
            raise InputError(path, found="no such file", expected="a gateway's YAML file")
        return path
    for folder in dict.fromkeys((base, Path())):
        path = folder / "gateways" / f"{word}.yaml"
        if path.is_file():
            return path
    known = shipped()
    if word not in known:
        raise InputError(
            "path",
            found=f"the unknown gateway '{word}'",
            expected=f"one of {listing(sorted(known))}, or a file gateways/{word}.yaml",
            hint=nearest(word, sorted(known)),
        )
    return known[word]


def known_as(word: str, base: Path) -> str:
    """What a gateway is called from anywhere: its name, or its file's whole path. Raises InputError."""
    found = find_gateway(word, base)
    return word if found == shipped().get(word) else str(found.absolute())


def gateway_of(path: tuple[str, ...] | None) -> Gateway | None:
    """The gateway of a path such as `[client, litellm, provider]`; None if there is none in it.

    Raises InputError if it is unknown, or if its environment is not there.
    """
    if path is None or len(path) < 3:
        return None
    found = read_gateway(find_gateway(path[1]))
    if (missing := found.missing()) is not None:
        raise missing
    return found


def asked_path(option: str) -> tuple[str, ...]:
    """What `--path` says: a gateway's name, `direct`, or all of `client,litellm,provider`. Raises InputError."""
    words = tuple(word.strip() for word in option.split(","))
    if len(words) == 1:
        words = (CLIENT, PROVIDER) if words[0] == DIRECT else (CLIENT, *words, PROVIDER)
    wrong = wrong_path(words)
    if wrong:
        raise InputError("windtunnel run", path="--path", found=wrong[0], expected=wrong[1])
    return words


def wrong_path(path: tuple[str, ...]) -> tuple[str, str] | None:
    """What is wrong with the form of a path, and what is expected; None if nothing is."""
    expected = "[client, GATEWAY, provider], or [client, provider] for none"
    found = f"[{', '.join(path)}]"
    if not path or path[0] != CLIENT:
        return f"{found}, which does not begin with client", expected
    if path[-1] != PROVIDER:
        return f"{found}, which does not end with provider", expected
    if len(path) > 3:
        return f"{len(path) - 2} gateways in {found}", f"at most one: {expected}"
    if len(path) == 3 and (not path[1] or path[1] in (CLIENT, PROVIDER)):
        return found, expected
    return None
