"""The lists of authorities of a cell's clients: parsed once for all, and by whoever needs its own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from windtunnel.harness.virtual.network.authorities import parse_when_needed
from windtunnel.harness.virtual.replacing import Replacements


@pytest.fixture
def replacements() -> Iterator[Replacements]:
    """Contexts that parse late, until the test is over."""
    made = Replacements()
    parse_when_needed(made)
    yield made
    made.restore()


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A file with the certificate of one authority."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def _shake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A whole handshake in memory. Raises what the client raises."""
    pipes = [ssl.MemoryBIO() for _ in range(2)]
    ends = [
        client.wrap_bio(pipes[0], pipes[1], server_hostname="localhost"),
        server.wrap_bio(pipes[1], pipes[0], server_side=True),
    ]
    left = list(ends)
    for _ in range(10):
        for end in list(left):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            left.remove(end)
    assert not left


def test_a_handshake_has_what_was_loaded(replacements: Replacements, tmp_path: Path) -> None:
    """The second client parses nothing until it shakes hands, and trusts whom the first one trusts and no others."""
    authorities = [trustme.CA() for _ in range(2)]
    servers = []
    for number, authority in enumerate(authorities):
        authority.cert_pem.write_to_path(str(tmp_path / f"{number}.pem"))
        servers.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        authority.issue_cert("localhost").configure_cert(servers[-1])
    ssl.create_default_context(cafile=str(tmp_path / "0.pem"))
    late = ssl.create_default_context(cafile=str(tmp_path / "0.pem"))
    assert super(ssl.SSLContext, late).cert_store_stats()["x509_ca"] == 0
    _shake(late, servers[0])
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake(ssl.create_default_context(cafile=str(tmp_path / "0.pem")), servers[1])


def test_who_asks_is_told(replacements: Replacements, authority: Path) -> None:
    """The certificates of a context are there for code that looks at them, in the order in which they were loaded."""
    ssl.create_default_context(cafile=str(authority))
    late = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    late.load_verify_locations(authority)
    assert len(late.get_ca_certs()) == 1
    late = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    late.load_verify_locations(authority)
    late.load_verify_locations(cadata=trustme.CA().cert_pem.bytes().decode())
    assert late.cert_store_stats()["x509_ca"] == 2


def test_what_cannot_be_parsed_is_told_at_once(replacements: Replacements, authority: Path) -> None:
    """A file that is missing, broken, or another one than it was, is looked at when it is loaded."""
    ssl.create_default_context(cafile=str(authority))
    authority.write_text("no certificate, and longer than nothing")
    with pytest.raises(ssl.SSLError):
        ssl.create_default_context(cafile=str(authority))
    authority.unlink()
    with pytest.raises(FileNotFoundError):
        ssl.create_default_context(cafile=str(authority))


def test_what_was_put_off_is_there_afterwards(authority: Path) -> None:
    """A context that outlives the virtual clock has its authorities."""
    replacements = Replacements()
    parse_when_needed(replacements)
    ssl.create_default_context(cafile=str(authority))
    late = ssl.create_default_context(cafile=str(authority))
    replacements.restore()
    assert len(late.get_ca_certs()) == 1
    assert "load_verify_locations" not in vars(ssl.SSLContext)
