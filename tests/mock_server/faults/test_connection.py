"""Hang, reset and close: where the connection ends, and that the answer is never complete."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tests.mock_server.scripts import body_of
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.script import FOREVER, Abort, Close, Head, Script, Send, Wait

Play = Callable[..., Script]
EMPTY = Script(())


def test_hang_is_silence_until_the_client_leaves(play: Play) -> None:
    """Not one byte and no end; with a length the connection is closed after it."""
    assert play("hang", EMPTY) == Script((Wait(FOREVER),))
    assert play("hang", EMPTY, seconds="30s") == Script((Wait(30.0), Close()))


@pytest.mark.parametrize(("name", "last"), [("reset", Abort()), ("close", Close())])
def test_before_headers_nothing_is_sent(play: Play, name: str, last: Abort | Close) -> None:
    """By default the connection ends without a byte of an answer."""
    assert play(name, EMPTY) == Script((last,))
    assert FAULTS[name].settled(FAULTS[name].params()).stage == "edge"


@pytest.mark.parametrize(("name", "last"), [("reset", Abort()), ("close", Close())])
@pytest.mark.parametrize("n", [0, 1, 10, 79, 80, 5000])
def test_after_bytes_that_many_bytes_of_the_body_are_sent(
    play: Play, whole: Script, name: str, last: Abort | Close, n: int
) -> None:
    """The first n bytes come, never the last one; the head goes on promising the full length."""
    body = body_of(whole)
    script = play(name, whole, stream=False, at=f"after_bytes {n}")
    head = script.steps[0]
    assert isinstance(head, Head)
    assert head.content_length == len(body)
    assert body_of(script) == body[: min(n, len(body) - 1)]
    assert script.steps[-1] == last
    assert not any(isinstance(step, Send) and step.role == "terminal" for step in script.steps)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 99])
def test_after_chunks_that_many_chunks_of_content_are_sent(play: Play, chat: Script, n: int) -> None:
    """Chunks are counted by content; a shorter answer ends after its last one, before its finish."""
    script = play("reset", chat, at={"after_chunks": n})
    contents = [step for step in script.steps if isinstance(step, Send) and step.role == "content"]
    assert len(contents) == min(n, 3)
    assert b"stop" not in body_of(script)
    assert script.steps[-1] == Abort()


@pytest.mark.parametrize("at", ["before_headers", "after_bytes 3", "after_chunks 0", {"after_bytes": 3}])
def test_a_place_is_written_as_text_or_as_a_mapping(at: Any) -> None:
    """Both forms are accepted, and the dumped one validates again."""
    params = FAULTS["close"].params.model_validate({"at": at})
    assert FAULTS["close"].params.model_validate(params.model_dump()) == params


@pytest.mark.parametrize(
    "at", ["later", "after_bytes", "after_bytes -1", "after_chunks x", {"after_bytes": "3"}, 3, {}]
)
def test_a_place_that_is_none_is_refused(at: Any) -> None:
    """The error says which places there are."""
    with pytest.raises(ValidationError, match="before_headers, after_bytes N, after_chunks N, after T or"):
        FAULTS["reset"].params.model_validate({"at": at})


def test_only_streams_have_chunks() -> None:
    """`after_chunks` acts on streamed answers alone; the other places act on all."""
    kind = FAULTS["reset"]
    by_chunks = kind.settled(kind.params.model_validate({"at": "after_chunks 1"}))
    by_bytes = kind.settled(kind.params.model_validate({"at": "after_bytes 1"}))
    assert (by_chunks.acts_on("chat", True), by_chunks.acts_on("chat", False)) == (True, False)
    assert (by_bytes.acts_on("chat", True), by_bytes.acts_on("embeddings", False)) == (True, True)


def test_hang_takes_forever_or_a_duration() -> None:
    """The default is forever, and a bare number is refused."""
    assert math.isinf(FAULTS["hang"].params.model_validate({}).model_copy().seconds)  # type: ignore[attr-defined]  # Hang has it
    with pytest.raises(ValidationError, match="or forever"):
        FAULTS["hang"].params.model_validate({"seconds": 5})
