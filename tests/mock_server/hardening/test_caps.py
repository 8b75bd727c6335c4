"""Everything that is kept has a cap: each is filled, and stays at it. The manual states all of them."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
import pytest

from tests.mock_server import engines
from tests.mock_server.engines import finish
from tests.mock_server.hardening.calls import PATIENCE, ask, in_process
from windtunnel.mock_server import rules
from windtunnel.mock_server.api.batches import state as batch_store
from windtunnel.mock_server.api.parse import MOST_HEADER_CHARS, parse
from windtunnel.mock_server.api.store import Shelf, Store
from windtunnel.mock_server.control import history, recent_requests
from windtunnel.mock_server.control.named_plans import MAX_PLANS, NamedPlans, PlansError
from windtunnel.mock_server.control.prometheus import Counters
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.journal import journal
from windtunnel.mock_server.manual.retention import build_kept
from windtunnel.mock_server.manual.sections import MANUAL
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.provider import calls, idempotency
from windtunnel.mock_server.provider.rate_limiter import REMEMBERED_QUOTAS

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def request(body: dict[str, Any] | None = None, **headers: str) -> Any:
    """A parsed request."""
    given = {
        "authorization": "Bearer k",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return parse("POST", "/v1/chat/completions", given, orjson.dumps(body or CHAT), region="local")


def test_the_manual_states_the_caps() -> None:
    """The manual's tables are made from the constants that hold."""
    assert build_kept() in MANUAL.read_text(encoding="utf-8")


def test_served_rows() -> None:
    """Without a directory the last rows are kept, and no more."""
    kept = journal.Journal()
    row = (None,) * len(journal.SERVED_NAMES)
    for _ in range(journal.REMEMBERED_ROWS + 100):
        kept.add(row)
    assert len(list(kept.json_lines())) == journal.REMEMBERED_ROWS


def test_last_requests() -> None:
    """Of the last requests a hundred are kept, of the live page's seconds five minutes."""
    last, seconds = recent_requests.RecentRequests(), history.History()
    row = (None,) * len(journal.SERVED_NAMES)
    for second in range(recent_requests.MAX_REQUESTS + history.MAX_SAMPLES):
        last.add(row, None)
        seconds.add(float(second), 0, Counters(), (0, 0))
    assert (len(last.entries()), len(seconds.since(0))) == (recent_requests.MAX_REQUESTS, history.MAX_SAMPLES)


SHELVES = [name for name, shelf in vars(Store()).items() if isinstance(shelf, Shelf)]


@pytest.mark.parametrize("name", SHELVES)
def test_shelves(name: str) -> None:
    """A shelf holds so many objects of so many bytes, whoever owns them."""
    shelf = getattr(Store(), name)
    for n in range(shelf.most_entries + 100):
        shelf.put(f"key {n % 7}", f"id {n}", None, 1)
    assert len(shelf) == shelf.most_entries
    for n in range(50):
        shelf.put(f"key {n % 7}", f"large {n}", None, shelf.most_bytes // 10)
    assert len(shelf) == 10


def test_stored_objects_weigh_what_they_hold() -> None:
    """What is stored is counted with everything that the client has sent of it."""
    mock = in_process()
    large = "x" * 1_000_000

    def weighed(path: str, shelf: Shelf[Any], **how: Any) -> dict[str, Any]:
        before = shelf._bytes
        sent = httpx2.Request(
            "POST",
            f"http://mock/v1{path}",
            headers={"authorization": "Bearer k"},
            extensions={"timeout": PATIENCE},
            **how,
        )
        status, body = ask(mock, sent)
        assert status == 200, body
        assert shelf._bytes - before >= len(large)
        found: dict[str, Any] = orjson.loads(body)
        return found

    kept = mock.engine.store
    message = {"role": "user", "content": large}
    weighed("/chat/completions", kept.completions, json={"model": "m", "store": True, "messages": [message]})
    weighed("/responses", kept.responses, json={"model": "m", "input": large})
    weighed("/responses", kept.responses, json={"model": "m", "input": "x", "instructions": large})
    made = weighed("/conversations", kept.conversations, json={"items": [{"type": "message", **message}]})
    weighed(
        f"/conversations/{made['id']}/items",
        kept.conversations,
        json={"items": [{"type": "message", **message}]},
    )
    file = ("a.txt", large.encode())
    weighed("/files", kept.files, files={"file": file}, data={"purpose": "assistants"})


def test_idempotency_keys() -> None:
    """So many keys are remembered, with so many bytes of answers; of a request itself nothing."""
    mock = in_process()
    kept = mock.engine._idempotency
    for n in range(idempotency.MAX_KEYS + 100):
        ticket = mock.engine.identify(request(idempotency_key=f"key {n}"), 0.0)
        mock.engine.admit(ticket, 0.0)
        if ticket.state == "queued":
            break
        mock.engine.start(ticket, 0.0)
        finish(mock.engine, ticket, 0.0)
    assert len(kept) == idempotency.MAX_KEYS
    assert kept._bytes <= idempotency.MAX_BYTES
    assert all(entry.answer.effect is None and entry.ticket is None for entry in kept._entries.values())


def asking(call_id: str | None, body: str = "") -> Any:
    """What the registry looks at in a request."""
    return engines.request(call_id, body_hash=body, sdk_retry_count=0)


def test_calls() -> None:
    """Named calls, bodies of unnamed ones and the calls of one body are remembered up to a number."""
    registry = calls.Registry()
    for n in range(calls.NAMED_CALLS + 100):
        registry.call_of(asking(f"call {n}"))
    assert len(registry._named) == calls.NAMED_CALLS
    for n in range(calls.UNNAMED_BODIES + 100):
        registry.call_of(asking(None, f"body {n}"))
    assert len(registry._bodies) == calls.UNNAMED_BODIES
    for _ in range(calls.OPEN_CALLS_PER_BODY + 100):
        registry.call_of(asking(None, "body"))
    assert max(len(body.seen) for body in registry._bodies.values()) == calls.OPEN_CALLS_PER_BODY


def test_quotas() -> None:
    """Pairs of key and model with limits of their own are kept up to a number."""
    limits = Engine(Plan.model_validate({"provider": {"limits": {"rpm": 1_000}}}))._regions["local"].limiter
    for n in range(REMEMBERED_QUOTAS + 100):
        assert limits.quota("key", f"model {n}", 0.0) is not None
    assert len(limits._quotas) == REMEMBERED_QUOTAS


def test_rules() -> None:
    """What rules remember of models and calls is bounded."""
    plan = Plan.model_validate({"rules": [{"fault": "overloaded", "every": 2}]})
    book = rules.RuleBook(plan)
    asked = request()
    for n in range(rules.NUMBERED_CALLS + 100):
        book.choose(asked, f"call {n}", None, 0, 0.0, 0)
    assert len(book._numbers._numbers) == rules.NUMBERED_CALLS
    for n in range(rules.CACHED_MATCHES + 100):
        book.choose(request({**CHAT, "model": f"model {n}"}), "call", 0, 0, 0.0, 0)
    assert len(book._matching) <= rules.CACHED_MATCHES


def test_named_plans() -> None:
    """There are so many named plans; one more is refused."""
    plans = NamedPlans()
    for n in range(MAX_PLANS):
        plans.put(Plan(name=f"plan {n}"), None, 0.0, 0.0)
    with pytest.raises(PlansError, match=str(MAX_PLANS)):
        plans.put(Plan(name="another"), None, 0.0, 0.0)


def test_what_requests_say_of_themselves() -> None:
    """Names that clients give are cut to a length, and still told apart; what is no text can be written down."""
    names = ("x_windtunnel_call", "user_agent", "idempotency_key", "x_stainless_package_version")
    long, other = ("x" * 60_000 + end for end in "ab")
    kept = []
    for text in (long, other, "\udcff"):
        asked = request({**CHAT, "model": text.replace("\udcff", "é")}, **dict.fromkeys(names, text))
        said = (asked.call_id, asked.user_agent, asked.idempotency_key, asked.sdk_version, asked.model)
        assert all(len(one) <= MOST_HEADER_CHARS for one in said)
        kept.append(orjson.dumps(said))
    assert len(set(kept)) == 3


def batch(lines: list[dict[str, Any]], url: str) -> dict[str, Any]:
    """A batch of these bodies, when it is over."""
    mock = in_process()

    def sent(method: str, path: str, **how: Any) -> dict[str, Any]:
        headers = {"authorization": "Bearer k"}
        status, body = ask(
            mock,
            httpx2.Request(
                method, f"http://mock/v1{path}", headers=headers, extensions={"timeout": PATIENCE}, **how
            ),
        )
        assert status == 200, body
        found: dict[str, Any] = orjson.loads(body)
        return found

    asked = [
        {"custom_id": str(n), "method": "POST", "url": url, "body": body} for n, body in enumerate(lines)
    ]
    data = b"\n".join([orjson.dumps(line) for line in asked])
    file = sent("POST", "/files", files={"file": ("a.jsonl", data)}, data={"purpose": "batch"})
    order = {"input_file_id": file["id"], "endpoint": url, "completion_window": "24h"}
    made = sent("POST", "/batches", json=order)
    mock.engine.store.skew_s += 90_000.0
    return sent("GET", f"/batches/{made['id']}")


def test_output_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of a batch has a largest size: lines that come when it is reached are errors, and not worked on."""
    monkeypatch.setattr(batch_store, "MOST_FILE_BYTES", 1_000_000)
    done = batch([{"model": "m", "input": ["x"] * 10}] * 12, "/v1/embeddings")
    assert 0 < done["request_counts"]["completed"] < 12
    assert sum(done["request_counts"][name] for name in ("completed", "failed")) == 12


def test_embedding_inputs_of_a_batch() -> None:
    """A batch of too many embedding inputs fails, and says so; a list of tokens is one input."""
    many = {"model": "m", "input": ["x"] * 2_000}
    failed = batch([many] * 26, "/v1/embeddings")
    assert (failed["status"], failed["errors"]["data"][0]["code"]) == ("failed", "too_many_embedding_inputs")
    tokens = {"model": "m", "input": [1] * 8_000}
    assert batch([tokens] * 7, "/v1/embeddings")["status"] == "completed"
