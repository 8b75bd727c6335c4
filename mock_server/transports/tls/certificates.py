"""The certificates of a server, made when the first one is needed, and what each kind of connection is shown.

    root ─► intermediate ─► leaf      a healthy chain, as public authorities have it
      │          └────────► leaf of the past, of another name, …
      └─ ca.pem: what clients are to trust; the only file that stays

Python's `ssl` reads keys from files alone. On Linux that file is in memory; elsewhere it is there for as long as
OpenSSL takes to read it. When certificates are valid does not depend on the time now: OpenSSL reads the machine's own
clock, also where a process lives in virtual time.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from windtunnel.mock_server.errors import WindtunnelServerError

Presented: TypeAlias = Literal[
    "healthy", "expired", "wrong_host", "untrusted", "incomplete_chain", "old_protocol"
]
"""What a server shows in a handshake."""

NAMES = ("localhost", "127.0.0.1", "::1", "api.openai.com", "*.api.openai.com")
"""Names and addresses that a healthy certificate is for: loopback, and those of the real endpoints."""

OTHER_NAMES = ("somewhere-else.example",)
"""The names of a certificate for another host (RFC 2606)."""

EXPIRED_ON = datetime(2025, 1, 1, tzinfo=UTC)
VALID_FOR = timedelta(days=90)
"""How long a certificate of a public authority is valid for: that of the past was."""

OLD_CIPHERS = "ALL:@SECLEVEL=0"
"""OpenSSL 3 speaks TLS 1.1 on security level 0 alone."""


class CertificatesError(WindtunnelServerError):
    """Certificates cannot be written; the message says where, and what would help."""


@dataclass(frozen=True, slots=True)
class Show:
    """What connections are shown: which certificate, of which rotation, whether they may resume, which protocols are
    offered by ALPN."""

    presented: Presented = "healthy"
    certificate: int = 1
    resumption: bool = True
    alpn: tuple[str, ...] = ()


class Certificates:
    """An authority of this server's own, in a temporary directory, and its TLS contexts.

    `names` are further hosts that healthy certificates are for. Raises `CertificatesError` if the directory or a file
    in it cannot be written.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        import trustme  # takes a tenth of a second, and most servers have no TLS

        self._names = tuple(dict.fromkeys([*NAMES, *names]))
        self._root = trustme.CA(organization_name="windtunnel mock")
        self._intermediate = self._root.create_child_ca()
        self._contexts: dict[Show, ssl.SSLContext] = {}
        try:
            self._directory = tempfile.TemporaryDirectory(prefix="windtunnel-tls-")
            self.ca_file = Path(self._directory.name, "ca.pem")
            self.ca_file.write_bytes(self._root.cert_pem.bytes())
        except OSError as error:
            raise _unwritable(error) from error

    def close(self) -> None:
        """Remove the directory."""
        self._directory.cleanup()

    def context(self, show: Show) -> ssl.SSLContext:
        """Return the context of connections that are shown this. Those of one context can resume each other's
        sessions, and a new certificate has a new context."""
        found = self._contexts.get(show)
        if found is None:
            found = self._contexts[show] = self._new_context(show)
        return found

    def _new_context(self, show: Show) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context, self._chain(show.presented))
        if show.presented == "old_protocol":
            context.set_ciphers(OLD_CIPHERS)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = ssl.TLSVersion.TLSv1_1
        if show.alpn:
            context.set_alpn_protocols(list(show.alpn))
        if not show.resumption:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0  # TLS 1.3 has tickets that OP_NO_TICKET only makes stateful
        return context

    def _chain(self, presented: Presented) -> list[bytes]:
        """Key and certificates, in PEM, leaf first, as the file for OpenSSL has them."""
        issuer, names = self._intermediate, self._names
        begins = ends = None  # trustme's own: from 2000 to 2038
        if presented == "untrusted":
            import trustme

            issuer = trustme.CA(organization_name="an authority that nobody knows").create_child_ca()
        if presented == "wrong_host":
            names = OTHER_NAMES
        if presented == "expired":
            begins, ends = EXPIRED_ON - VALID_FOR, EXPIRED_ON
        leaf = issuer.issue_cert(*names, not_before=begins, not_after=ends)
        shown = leaf.cert_chain_pems[:1] if presented == "incomplete_chain" else leaf.cert_chain_pems
        return [leaf.private_key_pem.bytes(), *[one.bytes() for one in shown]]

    def _load(self, context: ssl.SSLContext, chain: Sequence[bytes]) -> None:
        path = Path(self._directory.name, "chain.pem")
        try:
            if sys.platform == "linux":
                with os.fdopen(os.memfd_create("chain.pem"), "wb") as file:
                    file.write(b"".join(chain))
                    file.flush()
                    context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
                return
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(b"".join(chain))
            context.load_cert_chain(path)
        except OSError as error:
            raise _unwritable(error) from error
        finally:
            path.unlink(missing_ok=True)


def _unwritable(error: OSError) -> CertificatesError:
    where = error.filename or tempfile.gettempdir()
    return CertificatesError(
        f"certificates cannot be written in {where}: {error.strerror}; "
        "set TMPDIR to a directory that can be written to"
    )
