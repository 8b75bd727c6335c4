"""A plan as a file: written whole, read back as the same."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from windtunnel.harness.contract.files import write_whole
from windtunnel.harness.errors import InputError


class PlanFile(BaseModel):
    """A plan that is written to a JSON file and read back as the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def write_json(self, path: Path) -> None:
        """Write it; the file appears whole or not at all."""
        write_whole(path, self.model_dump_json(indent=1, by_alias=True))

    @classmethod
    def read_json(cls, path: Path) -> Self:
        """Read what `write_json` wrote. Raises InputError if the file is not there or is something else."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(path, found="no such file", expected="a plan written by windtunnel") from None
        except ValidationError as error:
            first = error.errors()[0]
            where, expected = ".".join(map(str, first["loc"])), "a plan written by windtunnel"
            raise InputError(path, path=where, found=first["msg"], expected=expected) from error
        except (OSError, ValueError) as error:
            found = str(error).split("\n")[0]
            raise InputError(path, found=found, expected="a plan written by windtunnel") from error
