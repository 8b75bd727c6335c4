"""Draws requests that may cause much work: every endpoint, each sized parameter from one to its cap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from hypothesis import strategies as st

from tests.mock_server.hardening.holds import closing

MODEL = {"model": "gpt-4.1-mini"}
HI = [{"role": "user", "content": "hi"}]
COUNTS = st.sampled_from([1, 5, 40, 300, 2_000])
LENGTHS = st.sampled_from([1, 100, 10_000, 1_000_000])
TEXTS = st.sampled_from(["x", "kill ", "{", "\n", "é", '"', "flag:", "🌊"])
FAULTS = st.sampled_from(
    [None] * 6 + ["truncated_json", "malformed_json", "drip", "split_writes", "duplicate_events"]
)


class Heavy(NamedTuple):
    """A request to measure; `before` are requests that come first, and `at` makes it from their answers."""

    at: Callable[[list[Any]], bytes]
    before: tuple[bytes, ...] = ()
    admin: bool = False
    advance_s: float = 0.0


def _posted(path: str, body: dict[str, Any], fault: str | None = None) -> Heavy:
    headers = {} if fault is None else {"x-windtunnel-fault": fault}
    request = closing(path=path, body=orjson.dumps(body), headers=headers)
    return Heavy(lambda _: request)


def _form(path: str, fields: dict[str, str], file: str, data: bytes) -> bytes:
    parts = [
        b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value.encode())
        for name, value in fields.items()
    ]
    head = b'--b\r\ncontent-disposition: form-data; name="%b"; filename="a.jsonl"\r\n\r\n' % file.encode()
    return closing(
        path=path,
        body=b"".join((*parts, head, data, b"\r\n--b--\r\n")),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )


def _tools(count: int, properties: int) -> list[dict[str, Any]]:
    wanted = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(properties)}}
    return [{"type": "function", "function": {"name": f"t{i}", "parameters": wanted}} for i in range(count)]


@st.composite
def _chat(draw: st.DrawFn) -> dict[str, Any]:
    body: dict[str, Any] = {**MODEL, "messages": HI, "n": draw(st.sampled_from([1, 8, 40]))}
    if draw(st.booleans()):
        body |= {"logprobs": True, "top_logprobs": draw(st.sampled_from([0, 20]))}
    if draw(st.booleans()):
        body["max_tokens"] = draw(st.sampled_from([1, 300]))
    match draw(st.sampled_from(["", "tools", "schema", "stop", "prediction", "messages", "text", "form"])):
        case "tools":
            body["tools"] = _tools(draw(st.sampled_from([1, 16, 128])), draw(st.sampled_from([1, 30, 300])))
            body["tool_choice"] = draw(st.sampled_from(["auto", "required"]))
        case "schema":
            properties = {f"p{i}": {"type": "string", "minLength": 50} for i in range(draw(COUNTS))}
            schema = {"type": "object", "properties": properties, "required": list(properties)}
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
        case "stop":
            body["stop"] = ["zz", "qq", "xx"]
        case "prediction":
            body["prediction"] = {"type": "content", "content": draw(TEXTS) * draw(LENGTHS)}
        case "messages":
            body["messages"] = HI * draw(st.sampled_from([300, 50_000]))
        case "text":
            body["messages"] = [{"role": "user", "content": draw(TEXTS) * draw(LENGTHS) * 4}]
        case "form":
            body["response_format"] = {"type": "json_object"}
            text = "Answer in JSON with this JSON schema: " + draw(TEXTS) * draw(LENGTHS)
            body["messages"] = [{"role": "user", "content": text}]
    return body


@st.composite
def _generated(draw: st.DrawFn) -> Heavy:
    """Chat, legacy completions, Responses: plain, as a stream, with a fault."""
    kind = draw(st.sampled_from(["chat", "completions", "responses"]))
    stream = draw(st.booleans())
    if kind == "chat":
        body = draw(_chat())
        path = "/v1/chat/completions"
        if draw(st.booleans()):
            body["store"] = True
    elif kind == "completions":
        body = {**MODEL, "prompt": ["a " * draw(st.sampled_from([1, 100]))] * draw(COUNTS), "max_tokens": 100}
        if draw(st.booleans()):
            body |= {"logprobs": 5, "echo": draw(st.booleans())}
        path = "/v1/completions"
    else:
        given = [{"role": "user", "content": draw(TEXTS) * draw(st.sampled_from([1, 100]))}]
        body = {**MODEL, "input": given * draw(st.sampled_from([1, 300, 50_000]))}
        if draw(st.booleans()):
            body |= {"include": ["message.output_text.logprobs"], "top_logprobs": 20}
        if draw(st.booleans()):
            tools = _tools(draw(st.sampled_from([1, 128])), draw(st.sampled_from([1, 30])))
            body["tools"] = [{"type": "function", **tool["function"]} for tool in tools]
        path = "/v1/responses"
    return _posted(path, {**body, "stream": stream}, draw(FAULTS))


@st.composite
def _vectors(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "model": "text-embedding-3-large",
        "input": [draw(TEXTS) * draw(st.sampled_from([1, 500]))] * draw(COUNTS),
        "dimensions": draw(st.sampled_from([1, 256, 3_072])),
        "encoding_format": draw(st.sampled_from(["float", "base64"])),
    }


@st.composite
def _media(draw: st.DrawFn) -> Heavy:
    """Pictures, speech, transcripts."""
    kind = draw(st.sampled_from(["images", "edits", "speech", "transcripts"]))
    if kind == "images":
        body: dict[str, Any] = {
            "model": "gpt-image-2",
            "prompt": draw(TEXTS) * draw(st.sampled_from([1, 5_000])),
            "n": draw(st.sampled_from([1, 10])),
            "size": draw(st.sampled_from(["1024x1024", "3840x2160"])),
            "output_format": draw(st.sampled_from(["png", "jpeg", "webp", "gif", "svg"])),
        }
        if body["output_format"] == "gif":
            body["frame_count"] = 16
        if body["n"] == 1 and draw(st.booleans()):
            body |= {"stream": True, "partial_images": 3}
        return _posted("/v1/images/generations", body, draw(FAULTS))
    if kind == "speech":
        form = draw(st.sampled_from(["mp3", "opus", "aac", "flac", "wav", "pcm"]))
        body = {"model": "m", "voice": "alloy", "input": "x" * 4_000, "response_format": form}
        if draw(st.booleans()):
            body["stream_format"] = "sse"
        return _posted("/v1/audio/speech", body, draw(FAULTS))
    data = draw(TEXTS).encode() * draw(st.sampled_from([1_000, 2_000_000]))
    if kind == "edits":
        edit = _form("/v1/images/edits", {"model": "gpt-image-1", "prompt": "x"}, "image", data)
        return Heavy(lambda _: edit)
    shown = draw(st.sampled_from(["json", "srt", "vtt", "verbose_json"]))
    transcript = _form(
        "/v1/audio/transcriptions", {"model": "whisper-1", "response_format": shown}, "file", data
    )
    return Heavy(lambda _: transcript)


def _lines(url: str, bodies: list[dict[str, Any]]) -> bytes:
    asked = [{"custom_id": str(n), "method": "POST", "url": url, "body": one} for n, one in enumerate(bodies)]
    return b"\n".join([orjson.dumps(line) for line in asked])


@st.composite
def _batches(draw: st.DrawFn) -> Heavy:
    """A batch that is created, or read when all its lines are due."""
    url = draw(st.sampled_from(["/v1/embeddings", "/v1/chat/completions", "/v1/moderations"]))
    if url == "/v1/embeddings":
        body: dict[str, Any] = {**draw(_vectors()), "input": ["text"] * draw(st.sampled_from([1, 40, 300]))}
    elif url == "/v1/moderations":
        body = {"input": [draw(TEXTS) * 50] * draw(st.sampled_from([1, 300]))}
    else:
        body = {key: value for key, value in draw(_chat()).items() if key != "stream"}
    small = len(orjson.dumps(body)) < 1_000
    data = _lines(
        url, [body] * draw(st.sampled_from([1, 10, 1_000] if small and body.get("n", 1) == 1 else [1, 3]))
    )
    data += draw(st.sampled_from([b"", b"\n" * 10**7, b" " * 10**7]))
    upload = _form("/v1/files", {"purpose": "batch"}, "file", data)

    def create(answers: list[Any]) -> bytes:
        wanted = {"input_file_id": answers[0]["id"], "endpoint": url, "completion_window": "24h"}
        return closing(path="/v1/batches", body=orjson.dumps(wanted))

    if draw(st.booleans()):
        return Heavy(create, (upload,))
    paths = st.sampled_from(["/v1/batches/{}", "/v1/batches", "/v1/files"])
    path = draw(paths)
    wanted = {"endpoint": url, "completion_window": "24h", "input_file_id": "FILE"}
    made = closing(path="/v1/batches", body=orjson.dumps(wanted))
    return Heavy(
        lambda answers: closing(method="GET", path=path.format(answers[1].get("id")), body=b""),
        (upload, made),
        advance_s=86_000.0,
    )


@st.composite
def _stored(draw: st.DrawFn) -> Heavy:
    """Files, stored completions, responses, conversations: made, listed, read."""
    text = draw(TEXTS) * draw(st.sampled_from([1, 10_000, 1_000_000]))
    kind = draw(st.sampled_from(["file", "chat", "response", "conversation"]))
    if kind == "file":
        upload = _form("/v1/files", {"purpose": "vision"}, "file", text.encode() * 4)
        if draw(st.booleans()):
            return Heavy(lambda _: upload)
        path = draw(st.sampled_from(["/v1/files", "/v1/files/{}/content", "/v1/files/{}"]))
        return Heavy(lambda made: closing(method="GET", path=path.format(made[0]["id"]), body=b""), (upload,))
    parts = [{"type": "input_text" if kind != "chat" else "text", "text": text}]
    parts = parts * draw(st.sampled_from([1, 2])) if len(text) > 10_000 else parts * draw(COUNTS)
    message = {"type": "message", "role": "user", "content": parts}
    if kind == "chat":
        asked: dict[str, Any] = {**MODEL, "store": True, "messages": [{"role": "user", "content": parts}]}
        before = closing(path="/v1/chat/completions", body=orjson.dumps(asked))
        paths = [
            "/v1/chat/completions?limit=100",
            "/v1/chat/completions/{}",
            "/v1/chat/completions/{}/messages",
        ]
    elif kind == "response":
        asked = {**MODEL, "input": [message] * draw(st.sampled_from([1, 3]))}
        before = closing(path="/v1/responses", body=orjson.dumps(asked))
        paths = ["/v1/responses/{}", "/v1/responses/{}/input_items?limit=100"]
    else:
        before = closing(path="/v1/conversations", body=orjson.dumps({"items": [message] * 3}))
        paths = ["/v1/conversations/{}", "/v1/conversations/{}/items?limit=100"]
    path = draw(st.sampled_from(paths))
    count = draw(st.sampled_from([1, 5]))
    return Heavy(
        lambda made: closing(method="GET", path=path.format(made[-1].get("id")), body=b""), (before,) * count
    )


@st.composite
def _admin(draw: st.DrawFn) -> Heavy:
    """Plans of many parts, and the records of what was served."""
    if draw(st.booleans()):
        path = draw(st.sampled_from(["served", "recent", "health", "live", "plan", "schemas/plan"]))
        small = closing(path="/v1/embeddings", body=orjson.dumps({**MODEL, "input": "x"}))
        count = draw(st.sampled_from([1, 200]))
        request = closing(method="GET", path=f"/_windtunnel/{path}", body=b"")
        return Heavy(lambda _: request, (small,) * count, admin=True)
    rule: dict[str, Any] = {"fault": draw(st.sampled_from(["overloaded", "stall", "overload"])), "rate": 0}
    rule |= {draw(st.sampled_from(["match", "fault", "ruel"])): {"model": "m*"}}
    phases = [
        {"name": f"p{n}", "for": "1h", "rules": [rule] * draw(st.sampled_from([0, 2, 20]))}
        for n in range(draw(st.sampled_from([0, 1, 20, 500])))
    ]
    plan = {
        "rules": [rule] * draw(COUNTS),
        "phases": phases,
        "provider": {
            "regions": {
                f"r{n}": {"answer": {"tokens": 9}} for n in range(draw(st.sampled_from([1, 4, 100])))
            },
            "models": None
            if draw(st.booleans())
            else ["gpt-4.1-mini", *[f"m{n}" for n in range(draw(COUNTS))]],
        },
    }
    request = closing(method="PUT", path="/_windtunnel/plan", body=orjson.dumps(plan)[: 2**20])
    return Heavy(lambda _: request, admin=True)


REQUESTS: st.SearchStrategy[Heavy] = st.one_of(
    _generated(),
    st.builds(_posted, st.just("/v1/embeddings"), _vectors(), FAULTS),
    st.builds(
        lambda text, length, count: _posted("/v1/moderations", {"input": [text * length] * count}),
        TEXTS,
        st.sampled_from([1, 100, 10_000]),
        COUNTS,
    ),
    _media(),
    _batches(),
    _stored(),
    _admin(),
)
