"""What holds for every fault, on every healthy answer, in every combination."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mock_server.scripts import body_without_comments, tokens_of
from windtunnel.mock_server.faults import FAULTS, FaultContext, FaultKind, Params
from windtunnel.mock_server.rules import FaultUse, layered
from windtunnel.mock_server.script import (
    FOREVER,
    Abort,
    Close,
    End,
    FirstToken,
    Head,
    Raw,
    Script,
    Send,
    Step,
    Tokens,
    Torn,
    Wait,
)

ANSWER_FAULTS = [name for name, kind in FAULTS.items() if kind.stage == "answer"] + ["reset", "close"]
CHUNKS = st.fixed_dictionaries({"after_chunks": st.integers(0, 9)})
PARAMS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "stream_reset": st.fixed_dictionaries(
        {
            "at": st.sampled_from(["after_chunks 3", "after_bytes 100"]),
            "code": st.sampled_from(["cancel", "no_error"]),
        }
    ),
    "goaway": st.fixed_dictionaries({"grace": st.sampled_from(["1s", "forever"])}),
    "one_stream": st.fixed_dictionaries({"seconds": st.sampled_from(["1s", "forever"])}),
    "window_stall": st.fixed_dictionaries({"seconds": st.sampled_from(["1s", "forever"])}),
    "slow_first_token": st.fixed_dictionaries({"seconds": st.sampled_from(["0s", "100ms", "3s"])}),
    "stall": st.fixed_dictionaries(
        {"after_chunks": st.integers(0, 9), "seconds": st.sampled_from(["0s", "2s", "forever"])}
    ),
    "stall_with_heartbeats": st.fixed_dictionaries(
        {
            "after_chunks": st.integers(0, 9),
            "seconds": st.sampled_from(["0s", "250ms", "2s"]),
            "every": st.sampled_from(["100ms", "300ms", "5s"]),
        }
    ),
    "cut": CHUNKS,
    "error_event": CHUNKS,
    "response_failed": CHUNKS,
    "response_incomplete": CHUNKS,
    "bad_json_event": CHUNKS,
    "bad_utf8_event": CHUNKS,
    "swapped_events": CHUNKS,
    "dataless_event": st.fixed_dictionaries({"line": st.sampled_from(["event", "id", "retry", "data"])}),
    "duplicate_events": st.fixed_dictionaries(
        {"after_chunks": st.integers(0, 9), "count": st.integers(1, 9)}
    ),
    "open_after_done": st.fixed_dictionaries({"seconds": st.sampled_from(["1s", "forever"])}),
    "buffered": st.fixed_dictionaries({"hold_headers": st.booleans()}),
    "fragment": st.fixed_dictionaries({"bytes": st.integers(1, 300)}),
    "slow_headers": st.fixed_dictionaries({"seconds": st.sampled_from(["0s", "2s"])}),
    "drip": st.fixed_dictionaries({"bytes_per_second": st.sampled_from([10.0, 1e5]), "head": st.booleans()}),
    "bad_gzip": st.fixed_dictionaries({"how": st.sampled_from(["not_gzip", "truncated"])}),
    "huge_headers": st.just({"bytes": 100}),
    "eof_without_done": st.fixed_dictionaries({"after_chunks": st.none() | st.integers(0, 9)}),
    "malformed_json": CHUNKS,
    "truncated_json": st.fixed_dictionaries(
        {"after_chunks": st.integers(0, 9), "keep": st.floats(0.01, 0.99)}
    ),
    "reset": st.fixed_dictionaries({"at": st.builds("after_bytes {}".format, st.integers(0, 2000))}),
    "close": st.fixed_dictionaries({"at": st.builds("after_bytes {}".format, st.integers(0, 2000))}),
}


def _chat(texts: list[str]) -> Script:
    def event(delta: dict[str, str], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    steps: list[Step] = [Head(200, (("content-type", "text/event-stream"),), "chunked"), FirstToken()]
    for i, text in enumerate(texts):
        steps += ([Tokens(4)] if i else []) + [Send(event({"content": text}, None), 4, "content")]
    steps += [Send(event({}, "stop")), Send(b"data: [DONE]\n\n", 0, "terminal"), End()]
    return Script(tuple(steps))


def _responses(texts: list[str]) -> Script:
    number = iter(range(1000))

    def event(kind: str, **fields: str) -> bytes:
        data = {"type": kind, "sequence_number": next(number), **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()

    steps: list[Step] = [Head(200, (), "chunked"), Send(event("response.created")), FirstToken()]
    for text in texts:
        steps += [Send(event("response.output_text.delta", delta=text), 4, "content"), Tokens(4)]
    steps += [Send(event("response.output_text.done"))]
    return Script((*steps, Send(event("response.completed"), 0, "terminal"), End()))


def _whole(texts: list[str]) -> Script:
    body = json.dumps({"choices": [{"message": {"content": "".join(texts)}}]}).encode()
    return Script((Head(200), FirstToken(), Tokens(3), Send(body, 4, "terminal"), End()))


TEXTS = st.lists(st.text(max_size=8), max_size=6)
ANSWERS = st.one_of(
    st.tuples(TEXTS.map(_chat), st.just(FaultContext(api="chat", model="m", stream=True))),
    st.tuples(TEXTS.map(_responses), st.just(FaultContext(api="responses", model="m", stream=True))),
    st.tuples(TEXTS.map(_chat), st.just(FaultContext(api="completions", model="m", stream=True))),
    st.tuples(TEXTS.map(_responses), st.just(FaultContext(api="stored", model="m", stream=True))),
    st.tuples(TEXTS.map(_responses), st.just(FaultContext(api="images", model="m", stream=True))),
    st.tuples(TEXTS.map(_whole), st.just(FaultContext(api="chat", model="m"))),
    st.tuples(TEXTS.map(_whole), st.just(FaultContext(api="embeddings", model="m"))),
)
Answer = tuple[Script, FaultContext]


@st.composite
def uses(draw: st.DrawFn, names: list[str] = ANSWER_FAULTS) -> tuple[FaultKind, Params]:
    """An answer fault with parameters."""
    kind = FAULTS[draw(st.sampled_from(names))]
    params = kind.params.model_validate(draw(PARAMS.get(kind.name, st.just({}))))
    return kind.settled(params), params


def waits(script: Script) -> float:
    """The time on the wire that a script adds."""
    return sum(step.seconds for step in script.steps if isinstance(step, Wait))


def ends_properly(script: Script) -> bool:
    """Is there exactly one end, and is it the last step?"""
    ends = [
        isinstance(step, End | Close | Abort) or (isinstance(step, Wait) and step.seconds == FOREVER)
        for step in script.steps
    ]
    return ends.count(True) == 1 and ends[-1]


def played(answer: Answer, chosen: list[tuple[FaultKind, Params]]) -> Script:
    """The answer after these faults, as rules in this order: layer by layer."""
    script, ctx = answer
    able = [FaultUse(kind, params, "r") for kind, params in chosen if kind.acts_on(ctx.api, ctx.stream)]
    for use in layered(able):
        script = use.kind.apply(script, use.params, ctx)
    return script


@given(ANSWERS, st.lists(uses(), max_size=4))
def test_faults_compose_in_any_order(answer: Answer, chosen: list[tuple[FaultKind, Params]]) -> None:
    """Whatever faults follow each other, in layers or not, there is one head, and one end, which is last."""
    script, ctx = answer
    for kind, params in chosen:
        if kind.acts_on(ctx.api, ctx.stream):
            script = kind.apply(script, params, ctx)
            check_form(script)
    check_form(played(answer, chosen))


def check_form(script: Script) -> None:
    """One head before any byte of the body (none where nothing is ever sent), one end, and no empty write."""
    assert ends_properly(script)
    kinds = [type(step) for step in script.steps]
    heads = kinds.count(Head)
    assert heads == 1 or (heads == 0 and script.steps[-1] == Wait(FOREVER))
    assert not {Send, Torn, Raw} & set(kinds[: kinds.index(Head)] if heads else kinds)
    assert all(step.data for step in script.steps if isinstance(step, Send))


@given(ANSWERS, st.lists(uses(), max_size=4))
def test_a_client_may_leave_once_and_only_with_everything(
    answer: Answer, chosen: list[tuple[FaultKind, Params]]
) -> None:
    """At most one send completes the answer, only ends of lines and comments follow it, and the sends never count
    for more tokens than the healthy ones do."""
    script = played(answer, chosen)
    sends = [step for step in script.steps if isinstance(step, Send)]
    places = [i for i, step in enumerate(sends) if step.role == "terminal"]
    assert len(places) <= 1
    for place in places:
        rest = [step for step in sends[place + 1 :] if step.role != "comment"]
        assert b"".join(step.data for step in rest).strip(b"\r\n") == b""
    assert tokens_of(script) <= tokens_of(answer[0])


@given(ANSWERS, st.lists(uses(), max_size=4), st.randoms(use_true_random=False))
def test_rules_of_different_layers_may_stand_in_any_order(
    answer: Answer, chosen: list[tuple[FaultKind, Params]], random: Random
) -> None:
    """Where no two faults share a layer, the order of the rules makes no difference."""
    chosen = list({kind.layer: (kind, params) for kind, params in chosen}.values())
    shuffled = chosen.copy()
    random.shuffle(shuffled)
    assert played(answer, shuffled) == played(answer, chosen)


PACE_AND_BYTES = ["slow_headers", "slow_first_token", "stall", "buffered", "fragment", "drip"]


@given(ANSWERS, st.lists(uses(PACE_AND_BYTES), max_size=4))
def test_pace_and_pieces_change_no_byte(answer: Answer, chosen: list[tuple[FaultKind, Params]]) -> None:
    """An answer that is late, silent, buffered and cut into pieces is, once it is there, the healthy one."""
    script = played(answer, chosen)
    if script.steps[-1] == Wait(FOREVER):
        assert body_without_comments(answer[0]).startswith(body_without_comments(script))
        return
    assert body_without_comments(script) == body_without_comments(answer[0])
    assert tokens_of(script) == tokens_of(answer[0])
    assert [type(step) for step in script.steps if isinstance(step, FirstToken | Tokens)] == [
        type(step) for step in answer[0].steps if isinstance(step, FirstToken | Tokens)
    ]


@given(ANSWERS, uses())
def test_faults_are_functions(answer: Answer, use: tuple[FaultKind, Params]) -> None:
    """The same script and parameters give the same script, and the healthy one is left as it was."""
    (script, ctx), (kind, params) = answer, use
    if kind.acts_on(ctx.api, ctx.stream):
        before = Script(tuple(script.steps))
        assert kind.apply(script, params, ctx) == kind.apply(script, params, ctx)
        assert script == before


@given(ANSWERS, uses(["slow_first_token", "stall", "stall_with_heartbeats"]))
def test_delays_add_time_and_no_content(answer: Answer, use: tuple[FaultKind, Params]) -> None:
    """A delay adds exactly its seconds, keeps every byte and all work in order, and changes no status."""
    (script, ctx), (kind, params) = answer, use
    if not kind.acts_on(ctx.api, ctx.stream):
        return
    late = kind.apply(script, params, ctx)
    seconds = params.model_dump()["seconds"]
    assert late.status == script.status
    assert body_without_comments(script).startswith(body_without_comments(late))
    if seconds == "forever":
        assert math.isinf(waits(late))
        return
    assert math.isclose(waits(late), {"0s": 0, "100ms": 0.1, "250ms": 0.25, "2s": 2, "3s": 3}[seconds])
    assert body_without_comments(late) == body_without_comments(script)
    work = [step for step in late.steps if isinstance(step, FirstToken | Tokens)]
    assert work == [step for step in script.steps if isinstance(step, FirstToken | Tokens)]


@given(ANSWERS, uses(["cut", "eof_without_done", "truncated_json", "reset", "close", "empty_body"]))
def test_what_ends_early_is_a_proper_prefix(answer: Answer, use: tuple[FaultKind, Params]) -> None:
    """An answer that ends early says nothing that the healthy one did not, and never all of it."""
    (script, ctx), (kind, params) = answer, use
    if kind.acts_on(ctx.api, ctx.stream):
        cut = body_without_comments(kind.apply(script, params, ctx))
        assert body_without_comments(script).startswith(cut)
        assert len(cut) < len(body_without_comments(script))


@given(TEXTS.map(_chat))
def test_eof_without_done_removes_the_finish_and_done_and_nothing_else(script: Script) -> None:
    """All content stays; the chunk with the finish_reason and `[DONE]` go."""
    kind = FAULTS["eof_without_done"]
    ended = kind.apply(script, kind.params(), FaultContext(api="chat", stream=True))
    contents = [step for step in script.steps if isinstance(step, Send) and step.role == "content"]
    assert [step for step in ended.steps if isinstance(step, Send)] == contents


@given(ANSWERS, uses(["malformed_json", "truncated_json", "error_event", "html_200", "empty_body"]))
def test_broken_answers_are_never_the_healthy_ones(answer: Answer, use: tuple[FaultKind, Params]) -> None:
    """A body fault always shows: no answer is short enough to escape it."""
    (script, ctx), (kind, params) = answer, use
    if kind.acts_on(ctx.api, ctx.stream):
        assert body_without_comments(kind.apply(script, params, ctx)) != body_without_comments(script)


@pytest.mark.parametrize("name", [name for name, kind in FAULTS.items() if kind.stage == "edge"])
def test_edge_faults_make_a_whole_script_out_of_nothing(name: str) -> None:
    """Every edge fault with its defaults gives a script that ends properly, for each API it acts on."""
    kind = FAULTS[name]
    params = kind.params.model_validate({"status": 418} if name == "status" else {})
    for api in kind.apis:
        script = kind.apply(Script(()), params, FaultContext(api=api, model="m"))
        assert ends_properly(script)
