"""How every loop of this package is compiled: once per machine, kept on disk where that can be written."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

Function = TypeVar("Function", bound=Callable[..., Any])  # any signature: the decorator hands it through


def compiled(function: Function) -> Function:
    """Compile to machine code; undefined numbers propagate as in numpy, no reassociation, and no lock is held while it runs.

    The machine code is kept in the folder that ``NUMBA_CACHE_DIR`` names, beside the source or in the user's cache folder: the
    first that can be written. Where none can, what an earlier set-up has left in the first two is read all the same; the rest
    is compiled anew by each process, and so is everything when the disk is full: slower to start, with the same results.
    """
    kernel: Any = njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):  # "no locator available": there is no folder at all
        # What ``cache=True`` does, with a cache that bears to be read-only.
        kernel._cache = _Cache(function)
    return cast("Function", kernel)  # a dispatcher, which is called like the function


class _AsItIs:
    """A folder that cannot be written but has machine code in it."""

    def ensure_cache_path(self) -> None:
        """Refuse an empty folder."""
        if not any(Path(self.get_cache_path()).glob("*.nbi")):  # type: ignore[attr-defined]  # of the locator
            raise OSError("there is nothing to read")


class _ProvidedAsItIs(_AsItIs, UserProvidedCacheLocator):
    """The folder of ``NUMBA_CACHE_DIR``."""


class _InTreeAsItIs(_AsItIs, InTreeCacheLocator):
    """The folder beside the source."""


class _CacheFiles(CompileResultCacheImpl):
    """The folders in which machine code may be, in the order in which they are tried."""

    _locator_classes: list[type[object]] = [  # noqa: RUF012  # numba's declaration
        UserProvidedCacheLocator,
        InTreeCacheLocator,
        UserWideCacheLocator,
        _ProvidedAsItIs,
        _InTreeAsItIs,
    ]


class _Cache(FunctionCache):
    """Machine code on disk; what cannot be written is used all the same.

    It is good as long as no loop has changed: a function's code has that of the functions it calls in it, whatever file
    these are in, so that the stamp of its own file alone (numba's rule) would leave old code in new loops.
    """

    _impl_class = _CacheFiles

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]  # numba's, as below
        stamp = (self._impl.locator.get_source_stamp(), _stamp_of_all_loops())
        self._cache_file = IndexDataCacheFile(  # type: ignore[no-untyped-call]
            self._cache_path, self._impl.filename_base, stamp
        )

    def save_overload(self, sig: object, data: object) -> None:
        """Keep one compiled version of the function if possible."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


@functools.cache
def _stamp_of_all_loops() -> str:
    """A hash of the sources of this package."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
