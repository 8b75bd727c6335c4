"""Memory that was let go goes back to the system: allocators keep it otherwise, and fragments of it add up."""

from __future__ import annotations

import ctypes
from typing import Final

import pyarrow as pa

_LIBC: Final = ctypes.CDLL(None)


def give_back() -> None:
    """Return what is free to the system: of Arrow's own allocator, and of the C library's where that can be asked."""
    pa.default_memory_pool().release_unused()
    if hasattr(_LIBC, "malloc_trim"):  # glibc
        _LIBC.malloc_trim(0)
