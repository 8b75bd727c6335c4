"""Responses that are kept: seen again in any state, streamed again, cancelled, deleted, and gone on from."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.responses.compacted_response import CompactedResponse
from openai.types.responses.response_item_list import ResponseItemList

from tests.mock_server.api.responses_bodies import (
    Api,
    ManualHandle,
    json_of,
    no_extras,
    refusal,
    valid_response,
)
from tests.mock_server.api.test_responses import SHAPES
from tests.mock_server.scripts import body_of
from windtunnel.mock_server.api.endpoint import World
from windtunnel.mock_server.api.responses.endpoint import answer_response
from windtunnel.mock_server.api.responses.state import StoredResponse, size_of

ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/a.png"}]},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
    {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "20"},
    {"type": "custom_tool_call", "call_id": "call_2", "name": "g", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": "y"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Because."}]},
    {"type": "compaction", "encrypted_content": "gAAAA"},
    {"type": "compaction_trigger"},
    {"type": "item_reference", "id": "msg_forgotten"},
    {"type": "shell_call", "call_id": "call_3", "action": {"commands": ["ls"]}},
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "x"}},
]


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["data"]]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_kept_response_is_the_one_that_was_sent(shape: str) -> None:
    """What is retrieved is what was answered, in every shape."""
    api = Api()
    sent = api.create(**{**SHAPES[shape], "store": True})
    found = api.do("GET", f"/v1/responses/{sent['id']}")
    assert json_of(found.script) == sent
    valid_response(orjson.dumps(json_of(found.script)))


def test_other_keys_and_unstored_responses_see_nothing() -> None:
    """A response of another key does not exist, nor does one that was not to be stored or is still being made."""
    api = Api()
    stored, unkept = api.create()["id"], api.create(store=False)["id"]
    coming = api.create(handle=ManualHandle("running"))["id"]
    for ident, key in ((stored, "sk-two"), (unkept, "sk-one"), (coming, "sk-one"), ("resp_x", "sk-one")):
        for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
            status, message = refusal(api, method, f"/v1/responses/{ident}{rest}", key=key)
            assert (status, message) == (404, f"Response with id '{ident}' not found.")


def test_a_background_response_goes_through_its_states() -> None:
    """Queued, in progress with the items that are done, completed with its time: as its life says."""
    api, handle = Api(), ManualHandle("queued")
    sent = api.create(handle=handle, background=True, reasoning={"effort": "low"})
    assert (sent["status"], sent["background"], sent["output"]) == ("queued", True, [])
    path = f"/v1/responses/{sent['id']}"
    assert api.get(path) == sent
    handle.now_at = "running"
    for generated, shown in ((0, []), (12, ["reasoning"]), (20, ["reasoning"])):
        handle.generated = generated
        found = api.get(path)
        assert (found["status"], found["usage"]) == ("in_progress", None)
        assert [item["type"] for item in found["output"]] == shown
    handle.now_at = "done"
    data = orjson.dumps(api.get(path))
    over = valid_response(data)
    assert (over.status, over.completed_at) == ("completed", 1_700_000_000 + 10 + 35)
    assert api.get(path, now=90.0) == orjson.loads(data)


def test_only_background_responses_can_be_cancelled() -> None:
    """A cancel ends the life once and can be repeated; a response that is over or waited for refuses it."""
    api, handle = Api(), ManualHandle("running", generated=9)
    path = f"/v1/responses/{api.create(handle=handle, background=True)['id']}"
    for _ in range(2):
        found = json_of(api.do("POST", f"{path}/cancel").script)
        assert (found["status"], found["output"], handle.now_at) == ("cancelled", [], "cancelled")
    assert api.get(path)["status"] == "cancelled"
    done = api.create(background=True)["id"]
    cut = api.create(background=True, max_output_tokens=16)["id"]
    waited = api.create()["id"]
    for ident, message in (
        (done, "Cannot cancel a completed response."),
        (cut, "Cannot cancel a response in terminal state."),
        (waited, "Cannot cancel a synchronous response."),
    ):
        assert refusal(api, "POST", f"/v1/responses/{ident}/cancel") == (400, message)


def test_a_response_is_deleted_when_it_is_over() -> None:
    """A response in flight stays; afterwards it is gone, and nothing goes on from it."""
    api, handle = Api(), ManualHandle("running")
    ident = api.create(handle=handle, background=True)["id"]
    path = f"/v1/responses/{ident}"
    assert refusal(api, "DELETE", path) == (400, "Cannot delete an in-flight response.")
    handle.now_at = "done"
    found = json_of(api.do("DELETE", path).script)
    assert found == {"id": ident, "object": "response.deleted", "deleted": True}
    assert refusal(api, "GET", path)[0] == 404


def test_include_shows_more_of_a_kept_response() -> None:
    """What was not included at first can be seen later, several things at once."""
    api = Api()
    ident = api.create(**SHAPES["summary"] | {"include": []})["id"]
    names = ("reasoning.encrypted_content", "message.output_text.logprobs")
    query = "&".join(f"include[]={name}" for name in names)
    output = api.get(f"/v1/responses/{ident}?{query}")["output"]
    assert output[0]["encrypted_content"].startswith("gAAAA")
    assert output[1]["content"][0]["logprobs"]
    assert refusal(api, "GET", f"/v1/responses/{ident}?include[]=no")[0] == 400


def test_input_items_are_given_back_in_full() -> None:
    """Every kind of input item comes back as the SDK's type has it, in order, with an id."""
    api = Api()
    ident = api.create(input=ITEMS)["id"]
    data = body_of(api.do("GET", f"/v1/responses/{ident}/input_items?order=asc").script)
    page = ResponseItemList.model_validate_json(data, strict=True)
    no_extras(page)
    given = [one.get("type", "message") for one in ITEMS]
    left_out = ("compaction_trigger", "item_reference")
    assert [item.type for item in page.data] == [kind for kind in given if kind not in left_out]
    assert len({item.id for item in page.data}) == len(page.data)
    assert (page.first_id, page.last_id) == (page.data[0].id, page.data[-1].id)


def test_input_items_come_in_pages() -> None:
    """The latest come first; `after`, `limit` and `order` choose; an empty page has empty ids."""
    api = Api()
    path = f"/v1/responses/{api.create(input=ITEMS)['id']}/input_items"
    everything = ids(api.get(path))
    assert ids(api.get(f"{path}?order=asc")) == everything[::-1]
    page = api.get(f"{path}?limit=2&after={everything[1]}")
    assert (ids(page), page["has_more"]) == (everything[2:4], True)
    assert ids(api.get(f"{path}?before={everything[1]}")) == everything[:1]
    empty = api.get(f"{path}?after={everything[-1]}")
    assert (empty["data"], empty["first_id"], empty["has_more"]) == ([], "", False)
    for query in ("limit=0", "limit=101", "limit=x", "order=up"):
        assert refusal(api, "GET", f"{path}?{query}")[0] == 400


def test_a_response_goes_on_from_another() -> None:
    """What was said before counts as input and is listed, without the earlier instructions and reasoning."""
    api = Api()
    first = api.create(instructions="1234" * 5, reasoning={"effort": "low"})
    second = api.create(previous_response_id=first["id"], input="12345678")
    third = api.create(previous_response_id=second["id"], input="12345678")
    said = 24
    assert first["usage"]["input_tokens"] == 2 + 5
    assert second["usage"]["input_tokens"] == 2 + said + 2
    assert third["usage"]["input_tokens"] == second["usage"]["input_tokens"] + said + 2
    made = api.do(
        "POST", "/v1/responses", {"model": "m", "input": "1234", "previous_response_id": third["id"]}
    )
    assert made.context_tokens == third["usage"]["total_tokens"]
    items = ids(api.get(f"/v1/responses/{third['id']}/input_items?order=asc"))
    assert len(items) == 1 + 2 + 1 + 1 + 1
    assert items[1:3] == [item["id"] for item in first["output"]]
    api.do("DELETE", f"/v1/responses/{first['id']}")
    assert len(ids(api.get(f"/v1/responses/{third['id']}/input_items"))) == 3


def test_items_can_be_referred_to() -> None:
    """A reference to an item of a kept response stands for that item."""
    api = Api()
    message = api.create()["output"][0]
    for reference in ({"type": "item_reference", "id": message["id"]}, {"id": message["id"]}):
        ident = api.create(input=[reference, {"role": "user", "content": "Hi"}])["id"]
        page = api.get(f"/v1/responses/{ident}/input_items?order=asc")
        assert page["data"][0] == message


def test_input_is_counted_with_its_context() -> None:
    """The count is that of the request and of all that it goes on from."""
    api = Api()
    first = api.create()
    body = {"input": "12345678", "previous_response_id": first["id"]}
    counted = json_of(api.do("POST", "/v1/responses/input_tokens", body).script)
    assert counted == {"object": "response.input_tokens", "input_tokens": first["usage"]["total_tokens"] + 2}


def test_a_conversation_is_compacted() -> None:
    """What comes of it is one item, and can be given to the next response."""
    api = Api()
    first = api.create(input="1234" * 176)
    body = {"model": "gpt-4.1", "previous_response_id": first["id"]}
    made = api.do("POST", "/v1/responses/compact", body)
    compacted = CompactedResponse.model_validate_json(body_of(made.script), strict=True)
    no_extras(compacted)
    assert (compacted.usage.input_tokens, compacted.usage.output_tokens, made.tokens) == (200, 20, 20)
    item = compacted.output[0]
    assert item.type == "compaction"
    assert (
        api.create(input=[item.to_dict()])["usage"]["input_tokens"] == (len(item.encrypted_content) + 3) // 4
    )


def test_kept_responses_weigh_what_they_hold() -> None:
    """A kept response holds the request and what was said, not the bytes; its size grows with both."""
    api = Api()

    def size(**body: Any) -> int:
        request = api.parsed("POST", "/v1/responses", {"model": "m", "input": "x", **body}, "sk-one")
        made = answer_response(request, World(seed=1, call_key="c", store=api.store))
        assert made.effect is not None
        made.effect(ManualHandle())
        stored = next(entry for _, entry in api.store.responses.of(request.key_hash))
        api.store.responses.delete(request.key_hash, next(iter(api.store.responses.of(request.key_hash)))[0])
        assert isinstance(stored, StoredResponse)
        return size_of(stored.source)

    usual = size()
    assert size(input="x" * 10_000) - usual == pytest.approx(10_000, abs=10)
    picture = {"type": "input_image", "image_url": "data:" + "x" * 10_000}
    assert size(input=[{"role": "user", "content": [picture]}]) > usual + 10_000
    assert size(metadata={"a": "x" * 500}) > usual + 500
