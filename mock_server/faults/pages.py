"""The HTML pages that stand where JSON is expected: gateways, Cloudflare, a portal."""

from __future__ import annotations

from hashlib import blake2b

from windtunnel.mock_server.api.headers import HTML
from windtunnel.mock_server.faults.base import FaultContext, Headers

CLOUDFLARE = {
    520: "Web server is returning an unknown error",
    521: "Web server is down",
    522: "Connection timed out",
    523: "Origin is unreachable",
    524: "A timeout occurred",
    530: "Origin DNS error",
}


def gateway_page(status: int, reason: str) -> bytes:
    """The bare page of a reverse proxy."""
    title = f"{status} {reason}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    ).encode()


def cloudflare_page(status: int, ray: str) -> bytes:
    """An error page of the edge network for one of the statuses in `CLOUDFLARE`."""
    reason = CLOUDFLARE[status]
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en-US">\n<head>\n<title>api.openai.com | {status}: {reason}</title>\n'
        '<meta charset="UTF-8" />\n</head>\n<body>\n<div id="cf-wrapper">\n'
        f'<h1>{reason} <span class="cf-error-code">Error code {status}</span></h1>\n'
        f"<p>Cloudflare Ray ID: <strong>{ray}</strong></p>\n</div>\n</body>\n</html>\n"
    ).encode()


def portal_page() -> bytes:
    """Return the sign-in page of a network on the way, which comes with status 200."""
    return (
        b'<!DOCTYPE html>\n<html lang="en">\n<head><title>Service notice</title></head>\n<body>\n'
        b"<h1>We will be right back</h1>\n<p>This service is being maintained. Please try again later.</p>\n"
        b"</body>\n</html>\n"
    )


def ray_of(ctx: FaultContext) -> str:
    """A ray id, 16 hex digits, that belongs to the request."""
    return blake2b(repr(ctx.headers).encode(), digest_size=8).hexdigest()


def edge_headers(ctx: FaultContext) -> Headers:
    """The headers of a page that the edge made: none of the API's own."""
    return (("content-type", HTML), ("server", "cloudflare"), ("cf-ray", f"{ray_of(ctx)}-FRA"))
