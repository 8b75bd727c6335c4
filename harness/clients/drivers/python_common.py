"""What is common to targets that are async and those that are plain: found, set up, asked."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from windtunnel.harness.clients.base import CALL_HEADER, CallSpec, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.python_call import AnswerTypeError, Returned, Tools, UserCall, compare
from windtunnel.harness.clients.error_text import place_of
from windtunnel.harness.clients.reading import READINGS, Reading
from windtunnel.harness.clients.recording.own_clients import servers_of, watch_own_clients
from windtunnel.harness.contract.files import UNUSABLE
from windtunnel.harness.inputs.lifetime import SetupError
from windtunnel.harness.inputs.prompts import PromptFile, read_prompts
from windtunnel.harness.inputs.signature import TargetError
from windtunnel.harness.inputs.target import OwnCode, in_environment, load_target
from windtunnel.harness.plan import API_KEY

REDIRECTED = 300
"""Below it, an answer has begun to be handed to the callable."""


class OwnApplication:
    """One copy of a user's own application, whatever its kind."""

    def __init__(self, setting: Setting) -> None:
        profile = setting.profile
        assert profile.target is not None  # a profile with this driver has one
        platform.platform()  # looked up and kept now, as an SDK may ask for it on the loop
        watch_own_clients()
        # Before its module is imported: it may build a client then.
        os.environ.update(in_environment(setting.base_url, API_KEY))
        self._prompts: PromptFile | None = None if profile.prompts is None else read_prompts(profile.prompts)
        fields = () if self._prompts is None else self._prompts.fields
        self.folders = profile.target_folders
        self.target = load_target(
            OwnCode(profile.target, self.folders, profile.setup, profile.teardown, fields)
        )
        self.lifetime = self.target.lifetime()
        self.setting = setting
        targets = [target.base_url for target in setting.targets.values()]
        self.servers = servers_of(
            [setting.base_url, *targets], () if setting.hosts is None else setting.hosts.names
        )
        self.given = {
            "base_url": setting.base_url,
            "api_key": API_KEY,
            "model": setting.model,
            "instance": setting.instance,
        }

    def ask(self, spec: CallSpec, tools: Tools, live: LiveTry | None) -> Any:
        """Call the target for a call; gives what it gave. Without `live` nothing is recorded of it."""
        line: Mapping[str, Any] = {} if self._prompts is None else self._prompts.line(spec.call_id)
        total = self.setting.profile.deadline
        if total is not None and live is not None and live.row.started_s is not None:
            total = max(0.0, live.row.started_s + total - self.setting.clock.now())
        call = UserCall(
            call_id=spec.call_id if live is None else live.call_id,
            api=spec.api,
            stream=spec.stream,
            body=_with_line(dict(spec.body), line, spec.api),
            base_url=self.setting.base_url if live is None else live.target.base_url,
            api_key=API_KEY,
            headers={} if live is None else {CALL_HEADER: spec.call_id},
            tools=tools,
            state=self.lifetime.state,
            line=line,
            deadline_s=total,
        )
        by_position, by_name = self.target.arguments.bind(call.argument)
        if self.target.owner is not None:
            by_position.insert(0, self.lifetime.object)
        return self.target.function(*by_position, **by_name)

    def delivered(self, returned: Returned, live: LiveTry, reading: Reading) -> None:
        """Put what the callable was handed, or what it gave back, into `reading`."""
        handed = live.handed
        if handed is not None:
            live.attempt = handed.row  # the answer that counts, if others were begun beside it
        api = live.spec.api
        compare(
            returned, None if handed is None else handed.read(api), self.setting.profile.returns, api, reading
        )

    def failed(self, error: Exception, live: LiveTry, before: object, reading: Reading) -> None:
        """Note where a call's exception comes from; `before` is the attempt before this try."""
        live.place = place_of(error, self.folders)
        attempt = live.attempt
        if attempt is not None and attempt is not before and attempt.status is not None:
            reading.opened = reading.opened or attempt.status < REDIRECTED

    def look_at(self, returned: Returned, api: str) -> None:
        """Refuse an answer of a healthy server that no call can be judged by. None may be for want of quota."""
        if returned.what != "NoneType":
            compare(returned, None, self.setting.profile.returns, api, READINGS[api]())

    def refuse(self, error: SetupError | AnswerTypeError | TargetError) -> NoReturn:
        """End the cell before its load begins: the profile's code cannot be used. Who started the cell reads why."""
        if isinstance(error, SetupError):
            found, expected, key = error.found(self.folders), error.expected, error.key
        elif isinstance(error, AnswerTypeError):
            found, expected, key = f"that the target {error.found}", error.expected, "target"
        else:
            found, expected, key = error.found, error.expected, error.key
        told = json.dumps({"path": key, "found": found, "expected": expected})
        print(f"\n{UNUSABLE}{told}", file=sys.stderr, flush=True)
        raise TargetError(found, expected, key=key) from error


def _with_line(body: dict[str, Any], line: Mapping[str, Any], api: str) -> dict[str, Any]:
    """The body of a request with what a line of the file of prompts says."""
    if "model" in line:
        body["model"] = line["model"]
    if "messages" in line:
        body["messages" if api == "chat" else "input"] = line["messages"]
    if "prompt" in line:
        if body.get("messages"):
            *earlier, last = body["messages"]
            body["messages"] = [*earlier, {**last, "content": line["prompt"]}]
        else:
            body["input"] = line["prompt"]
    return body


def close_kept(kept: Mapping[str, Any], names: tuple[str, ...]) -> list[Callable[[], Any]]:
    """The ways to close what a callable kept, by the first of `names` that each has."""
    found = (
        next((getattr(one, name) for name in names if hasattr(one, name)), None) for one in kept.values()
    )
    return [close for close in found if callable(close)]
