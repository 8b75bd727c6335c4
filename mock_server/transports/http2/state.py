"""What h2 keeps of a server's connection, set up for a mock: its settings, and where it must not be strict or slow."""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hpack import Encoder

from windtunnel.mock_server.transports.http2.signals import MAX_STREAMS, WINDOW
from windtunnel.mock_server.transports.limits import MAX_HEAD

_NO_LIMIT = 2**31 - 1

_CONFIG = H2Configuration(
    client_side=False,
    validate_outbound_headers=False,  # a fault may lie
    normalize_outbound_headers=False,  # `answer_fields` has done it
)


class Advertised(Settings):
    """Settings whose limit of streams is told to the client and not enforced by h2.

    h2 ends the connection for one stream too many; RFC 9113 (section 5.1.2) has that stream alone refused.
    """

    @property
    def max_concurrent_streams(self) -> int:
        """The number of streams from which on h2 ends the connection."""
        return _NO_LIMIT

    @max_concurrent_streams.setter
    def max_concurrent_streams(self, value: int) -> None:
        self[SettingCodes.MAX_CONCURRENT_STREAMS] = value


class PlainEncoder(Encoder):
    """HPACK without its Huffman code, which is optional (RFC 7541, section 5.2).

    hpack takes time with the square of a field's length for it: seconds for the fault `huge_headers`.
    """

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        """Encode a field list; see `hpack.Encoder`."""
        return super().encode(headers, huffman)


def new_state() -> H2Connection:
    """Return the state of a new connection, with the settings that the server greets its client with."""
    state = H2Connection(_CONFIG)
    state.local_settings = Advertised(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
        },
    )
    del state.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]  # of RFC 8441, which nothing here speaks
    state.encoder = PlainEncoder()
    # Twice what clients are told, so that a head which is too long gets a 431 and not the end of the connection.
    state.decoder.max_header_list_size = 2 * MAX_HEAD
    return state
