"""The admin API, without a network: who may ask for what, and what is answered."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.mock_server.control.control_server import Server
from tests.mock_server.control.control_server import ask as _ask
from tests.mock_server.control.control_server import content as _content
from windtunnel.mock_server.api.parse import key_hash
from windtunnel.mock_server.control.control import Control


@pytest.fixture
def server() -> Server:
    """A server that only remembers."""
    return Server()


def test_health(server: Server) -> None:
    """Health says that the server is up, since when, and how busy it is."""
    health = _content(_ask(Control(server), "GET", "/_windtunnel/health?x=1"))
    assert (health["status"], health["t0"], health["now_s"]) == ("ok", 100.0, 2.5)
    assert health["provider"]["regions"]["local"]["in_flight"] == 3
    assert health["connections"] == 1


def test_the_records_go_on_in_new_segments_when_asked(server: Server) -> None:
    """The answer says from when on; a journal in memory has no segment to name."""
    reply = _ask(Control(server), "POST", "/_windtunnel/segments")
    assert (reply.status, _content(reply)) == (200, {"now_s": 2.5, "journal": None})
    assert server.told == ["new segments"]


def test_the_plan_comes_and_goes(server: Server) -> None:
    """The plan that is given out can be put back, and another one takes its place."""
    control = Control(server)
    plan = _content(_ask(control, "GET", "/_windtunnel/plan"))
    assert plan["name"] == "first"
    assert _ask(control, "PUT", "/_windtunnel/plan", plan).status == 200
    reply = _ask(control, "PUT", "/_windtunnel/plan", {"name": "second", "seed": 5})
    assert reply.status == 200
    assert _content(reply)["seed"] == 5
    assert server.plan.name == "second"


@pytest.mark.parametrize(
    ("plan", "path", "said"),
    [
        ({"provider": {"capacity": {"slots": -1}}}, "provider.capacity.slots", "greater than or equal to 0"),
        ({"provider": {"capacity": {"slot": 1}}}, "provider.capacity.slot", "'slots' perhaps"),
        ({"rules": [{"fault": "overlaoded"}]}, "rules.0.fault", "'overloaded' perhaps"),
        ({"phases": [{"name": "a"}]}, "phases.0.for", "required"),
    ],
)
def test_a_bad_plan_is_named(server: Server, plan: dict[str, Any], path: str, said: str) -> None:
    """A bad plan is refused with the key path of what is wrong, and the plan in force stays."""
    reply = _ask(Control(server), "PUT", "/_windtunnel/plan", plan)
    error = _content(reply)["error"]
    assert reply.status == 400
    assert error["path"] == path
    assert path in error["message"]
    assert said in error["message"]
    assert server.plan.name == "first"


def test_what_is_not_json_is_refused(server: Server) -> None:
    """A body that is no JSON is a 400, and changes nothing."""
    control = Control(server)
    for method, path in (("PUT", "plan"), ("POST", "reset")):
        assert _ask(control, method, f"/_windtunnel/{path}", b"{nonsense").status == 400
    assert server.told == []


def test_reset(server: Server) -> None:
    """A reset takes a t0 on the monotonic clock, or none, and nothing else."""
    control = Control(server)
    assert _ask(control, "POST", "/_windtunnel/reset").status == 200
    assert _ask(control, "POST", "/_windtunnel/reset", {"t0": 123.5}).status == 200
    assert server.told == [("reset", None), ("reset", 123.5)]
    for bad in ({"t0": "soon"}, {"t0": True}, {"to": 1}, [1], b'{"t0": 1e999}'):
        assert _ask(control, "POST", "/_windtunnel/reset", bad).status == 400
    assert len(server.told) == 2


def test_a_test_begins_and_shows_its_requests(server: Server) -> None:
    """A test has a plan and a key, which is only ever known by its hash; its requests come with those under way."""
    control = Control(server)
    body = {"plan": {"name": "mine"}, "key": "sk-mine"}
    assert _ask(control, "PUT", "/_windtunnel/test", body).status == 200
    assert server.plan.name == "mine"
    assert server.told == [("test", key_hash("sk-mine"))]
    requests = _content(_ask(control, "GET", "/_windtunnel/test"))["requests"]
    assert requests == [{"served_id": "s1", "ended_s": None}]
    for bad in (
        {"plan": {}},
        {"plan": {}, "key": " "},
        {"plan": {"nane": 1}, "key": "k"},
        {"key": "k", "name": 1},
    ):
        assert _ask(control, "PUT", "/_windtunnel/test", bad).status == 400
    assert len(server.told) == 1


def test_stop_comes_after_its_answer(server: Server) -> None:
    """The server is stopped by what is to be done once the answer is written."""
    reply = _ask(Control(server), "POST", "/_windtunnel/stop")
    assert server.told == []
    assert reply.then is not None
    reply.then()
    assert server.told == ["stop"]


def test_schemas(server: Server) -> None:
    """The plan's own schema accepts the plan that is given out."""
    control = Control(server)
    schema = _content(_ask(control, "GET", "/_windtunnel/schemas/plan"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(_content(_ask(control, "GET", "/_windtunnel/plan")), schema)
    served = _content(_ask(control, "GET", "/_windtunnel/schemas/served"))
    assert "truth_digest" in served["properties"]


def test_metrics(server: Server) -> None:
    """Metrics are Prometheus text with what was counted and how busy the regions are."""
    server.counters.requests["chat", "local", 200] = 5
    server.counters.requests["chat", "local", None] = 1
    server.counters.faults["stall"] = 2
    reply = _ask(Control(server), "GET", "/metrics")
    assert isinstance(reply.body, bytes)
    text = reply.body.decode()
    assert 'windtunnel_requests_total{api="chat",region="local",status="200"} 5.0' in text
    assert 'windtunnel_requests_total{api="chat",region="local",status="none"} 1.0' in text
    assert 'windtunnel_faults_total{fault="stall"} 2.0' in text
    assert 'windtunnel_in_flight{region="local"} 3.0' in text
    assert reply.content_type.startswith("text/plain")


def test_unknown_paths_and_methods(server: Server) -> None:
    """What does not exist is a 404 that lists what does; a wrong method is a 405 that says which is right."""
    control = Control(server)
    missing = _ask(control, "GET", "/_windtunnel/plams")
    assert missing.status == 404
    assert "/_windtunnel/plan" in _content(missing)["error"]["message"]
    wrong = _ask(control, "POST", "/_windtunnel/health")
    assert wrong.status == 405
    assert ("allow", "GET") in wrong.headers


@pytest.mark.parametrize(
    "path", ["/_windtunnel/health", "/_windtunnel/stop", "/metrics", "/_windtunnel/none"]
)
def test_with_a_token_everything_needs_it(server: Server, path: str) -> None:
    """With a token, nothing at all is answered without it, or with another one."""
    control = Control(server, token="sécret")
    method = "POST" if path.endswith("stop") else "GET"
    for given in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic sécret"},
        {"Authorization": ""},
    ):
        assert _ask(control, method, path, headers=given).status == 401
    right = _ask(control, method, path, headers={"Authorization": "Bearer sécret"})
    assert right.status in (200, 404)


def test_web_pages_are_refused(server: Server) -> None:
    """Without a token a request that a web page made is refused, whatever it asks for."""
    reply = _ask(Control(server), "POST", "/_windtunnel/stop", headers={"Origin": "https://example.com"})
    assert reply.status == 403
    assert reply.then is None


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", 200),
        ("http://localhost:8080", "localhost:8080", 200),
        ("http://[::1]:8080", "[::1]:8080", 200),
        ("http://127.0.0.1:9090", "127.0.0.1:8080", 403),
        ("http://example.com", "127.0.0.1:8080", 403),
        ("http://example.com:8080", "example.com:8080", 403),
        ("null", "127.0.0.1:8080", 403),
    ],
)
def test_the_server_s_own_page_may_ask(server: Server, origin: str, host: str, status: int) -> None:
    """A page of this server, called by a name of this machine, is no stranger; one by a name that an attacker
    pointed here is."""
    reply = _ask(Control(server), "POST", "reset", headers={"Origin": origin, "Host": host})
    assert reply.status == status


def test_one_of_several_workers(server: Server) -> None:
    """A worker among several refuses what would have to reach the others too, with the reason."""
    control = Control(server, shared="one of several workers")
    for method, path in (
        ("PUT", "plan"),
        ("POST", "reset"),
        ("GET", "served"),
        ("PUT", "plans/mine"),
        ("DELETE", "plans/mine"),
        ("POST", "plan/use"),
        ("POST", "clock"),
    ):
        reply = _ask(control, method, path, {})
        assert reply.status == 409
        assert _content(reply)["error"]["message"] == "one of several workers"
    assert _ask(control, "GET", "/_windtunnel/health").status == 200


@pytest.mark.parametrize("token", [None, "secret"])
def test_health_is_asked_without_a_token(token: str | None) -> None:
    """Tools that only want to know whether a server lives get a 200, on a path that they know."""
    control = Control(Server(), token=token)
    reply = _ask(control, "GET", "/health")
    assert (reply.status, _content(reply)) == (200, {"status": "ok"})
    assert _ask(control, "POST", "/health").status in (401, 404)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1/.evil.example",
        "127.0.0.1?.evil.example",
        "127.0.0.1#.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost:80:80",
        "127.0.0.1\t.evil.example",
        "",
    ],
)
def test_a_host_is_compared_whole(server: Server, host: str) -> None:
    """A name that begins or ends as one of this machine does is another name."""
    assert _ask(Control(server), "GET", "health", headers={"Host": host}).status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "LOCALHOST:1", "[::1]:8080", "127.8.0.1"])
def test_names_of_this_machine_are_known(server: Server, host: str) -> None:
    """With and without a port, in any case."""
    assert _ask(Control(server), "GET", "health", headers={"Host": host}).status == 200


def test_a_plan_of_another_version_is_a_400(server: Server) -> None:
    """The error says which versions there are; the known one is taken."""
    reply = _ask(Control(server), "PUT", "plan", {"plan_version": 99})
    assert reply.status == 400
    assert b"plan_version" in reply.body
    assert b"expected 1" in reply.body
    assert _ask(Control(server), "PUT", "plan", {"plan_version": 1}).status == 200
