"""The input file of a batch: its lines, or what is wrong with them.

Codes, messages and params of errors are those of failed batches as people have reported them; `empty_file`,
`too_many_tasks`, `model_mismatch` and `invalid_method` are known by their codes alone, their messages are plain words.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.mock_server.api.endpoint import run
from windtunnel.mock_server.api.json_body import MAX_VALUES, read_json, values_in

MOST_LINES: Final = 50_000
"""Requests of one batch."""

MOST_INPUTS: Final = 50_000
"""Embedding inputs of one batch, as with OpenAI."""

MOST_ERRORS: Final = 100
"""Errors that a failed batch shows."""

REQUIRED: Final = ("custom_id", "method", "url", "body")
_CALLED: Final = {"/v1/chat/completions": "Chat Completions", "/v1/responses": "Responses"}
_WITHOUT_MODEL: Final = ("/v1/moderations", "/v1/images/generations", "/v1/images/edits")


@dataclass(frozen=True, slots=True)
class InputProblem:
    """One error of a batch; `line` counts from 1, None is the whole file."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def shown(self) -> dict[str, Any]:
        """The error as a batch shows it."""
        return {"code": self.code, "line": self.line, "message": self.message, "param": self.param}


BLANKS_PER_STEP: Final = 65_536
"""Bytes that are looked at in search of a line that is not blank."""

LINES_PER_STEP: Final = 50
"""Lines that are checked at once, in a millisecond or so."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """The input file of a batch: its lines as JSON, the one model that they name, and the errors found."""

    lines: tuple[bytes, ...] = ()
    problems: tuple[InputProblem, ...] = ()
    model: str | None = None


def read_input_file(data: bytes, endpoint: str, models: Collection[str] | None) -> InputFile:
    """Check an input file for `endpoint`; `models` are those that are served (None: all). Blank lines do not count."""
    return run(input_file_steps(data, endpoint, models))


def input_file_steps(
    data: bytes, endpoint: str, models: Collection[str] | None
) -> Generator[None, None, InputFile]:
    """The same in steps."""
    numbered: list[tuple[int, bytes]] = []
    for number, line in _lines_of(data):
        if line is not None:
            numbered.append((number, line))
        if line is None or number % LINES_PER_STEP == 0:
            yield
        if len(numbered) > MOST_LINES:
            break
    if not numbered:
        empty = "The batch input file is empty. It must hold at least one request."
        return InputFile(problems=(InputProblem("empty_file", empty),))
    if len(numbered) > MOST_LINES:
        many = f"The batch input file holds more than {MOST_LINES} requests, which is the most."
        return InputFile(problems=(InputProblem("too_many_tasks", many),))
    reader = _Reader(endpoint, models)
    problems: list[InputProblem] = []
    for place, (at, line) in enumerate(numbered, 1):
        if place % LINES_PER_STEP == 0:
            yield
        problem = reader.problem(at, line)
        if problem is not None:
            problems.append(problem)
            if len(problems) == MOST_ERRORS:
                break
    return InputFile(tuple(line for _, line in numbered), tuple(problems), reader.model)


def _lines_of(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """The lines that are not blank, each with its number; None after every stretch of blanks that was looked at."""
    at, number = 0, 1
    while at < len(data):
        if data[at : at + 1].isspace():
            stretch = data[at : at + BLANKS_PER_STEP]
            blanks = len(stretch) - len(stretch.lstrip())
            number += data.count(b"\n", at, at + blanks)
            at += blanks
            if blanks == len(stretch):
                yield number, None
            continue
        end = data.find(b"\n", at)
        if end < 0:
            end = len(data)
        yield number, data[at:end]
        at, number = end + 1, number + 1


class _Reader:
    """Checks line after line: ids must differ, the model must be the same in all of them."""

    def __init__(self, endpoint: str, models: Collection[str] | None) -> None:
        self.model: str | None = None
        self._endpoint = endpoint
        self._models = models
        self._seen: set[str] = set()
        self._inputs = 0

    def problem(self, at: int, line: bytes) -> InputProblem | None:
        """Return the first error of a line, or None."""
        if len(line) > MAX_VALUES and values_in(line) > MAX_VALUES:
            return InputProblem("invalid_json_line", f"This line holds more than {MAX_VALUES:,} values.", at)
        try:
            given = read_json(line)
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return InputProblem("invalid_json_line", "This line is not parseable as valid JSON.", at)
        for name in REQUIRED:
            if given.get(name) is None:
                message = f"Missing required parameter: '{name}'."
                return InputProblem("missing_required_parameter", message, at, name)
        for name, kind in (("custom_id", str), ("body", dict)):
            if not isinstance(given[name], kind):
                expected = "a string" if kind is str else "an object"
                message = f"Invalid type for '{name}': expected {expected}."
                return InputProblem("invalid_type", message, at, name)
        return self._envelope(at, given) or self._body(at, given["body"])

    def _envelope(self, at: int, given: dict[str, Any]) -> InputProblem | None:
        if given["method"] != "POST":
            return InputProblem("invalid_method", "The method of a request must be 'POST'.", at, "method")
        if given["url"] != self._endpoint:
            message = "The URL provided for this request does not match the batch endpoint."
            return InputProblem("invalid_url", message, at, "url")
        if given["custom_id"] in self._seen:
            message = (
                "The custom_id for this request is a duplicate of another request. "
                "The custom_id parameter must be unique for each request in a batch."
            )
            return InputProblem("duplicate_custom_id", message, at, "custom_id")
        self._seen.add(given["custom_id"])
        return None

    def _body(self, at: int, body: dict[str, Any]) -> InputProblem | None:
        if body.get("stream"):
            called = _CALLED.get(self._endpoint, self._endpoint)
            message = f"{called}: Streaming is not supported in the Batch API."
            return InputProblem("streaming_unsupported", message, at, "body.stream")
        model = body.get("model")
        if not isinstance(model, str) or not model:
            if self._endpoint in _WITHOUT_MODEL:
                return None
            return InputProblem("invalid_request", "Model parameter is required.", at, "body.model")
        if self._models is not None and model not in self._models:
            message = f"The provided model '{model}' is not supported by the Batch API."
            return InputProblem("model_not_found", message, at, "body.model")
        if self.model is not None and model != self.model:
            message = f"The provided model '{model}' is not that of the batch, '{self.model}': one batch, one model."
            return InputProblem("model_mismatch", message, at, "body.model")
        self.model = model
        if self._endpoint == "/v1/embeddings":
            given = body.get("input")
            several = isinstance(given, list) and not isinstance(next(iter(given), None), int)
            self._inputs += len(given) if given and several else 1
            if self._inputs > MOST_INPUTS:
                message = f"The batch holds more than {MOST_INPUTS} embedding inputs."
                return InputProblem("too_many_embedding_inputs", message, at, "body.input")
        if self._endpoint == "/v1/chat/completions" and body.get("messages") is None:
            return InputProblem("invalid_request", "Messages parameter is required.", at, "body.messages")
        return None
