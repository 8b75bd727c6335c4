"""The live page's own files: HTML, CSS and JavaScript without a build step, and the headers that fence them in.

    GET /_windtunnel/            the page
    GET /_windtunnel/page/NAME   what it is made of

They are the same for everybody and say nothing of the server, so they need no token; what the page shows does.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from windtunnel.mock_server.control.reply import Reply, problem

ROOT = "/_windtunnel/"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
"""Content security: no foreign sources or targets, no markup made from strings, no frame around the page."""

_HEADERS = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
)
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
FILES = (
    "page.css",
    "page.js",
    "dom.js",
    "curves.js",
    "traffic.js",
    "provider.js",
    "faults.js",
    "plans.js",
    "requests.js",
)
_PATHS = {ROOT: "page.html"} | {f"{ROOT}page/{name}": name for name in FILES}


def page_reply(method: str, path: str) -> Reply | None:
    """Return the reply to a request for the page or a part of it; None for any other path (without its query)."""
    if path in ("/", ROOT.rstrip("/")):
        return Reply(308, b"", "text/plain", (("location", ROOT),))
    name = _PATHS.get(path)
    if name is None:
        return None
    if method != "GET":
        return problem(405, f"found {method} {path}, expected GET", (("allow", "GET"),))
    return Reply(200, _read(name), _TYPES[name.rpartition(".")[2]], _HEADERS)


@cache
def _read(name: str) -> bytes:
    return files("windtunnel.mock_server.control").joinpath("templates", name).read_bytes()
