"""How every loop of this package is compiled: once per machine, kept on disk where that can be written."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
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

    The function makes no arrays: it works on those that it is handed, which the caller keeps. So references to them are not
    counted, which would double the time of a trial exchange.

    The machine code is kept in the folder that ``NUMBA_CACHE_DIR`` names or beside the source if it can be written there, or
    has been left there by an earlier set-up of these same loops; else in the user's cache folder. Where there is no room for
    it, and where what is there cannot be read, functions are compiled anew by each process: slower to start, with the same
    results.
    """
    return _compiled(function, counts_references=False)


def compiled_allocating(function: Function) -> Function:
    """Compile as :func:`compiled` does, a function that makes arrays, or copies whole ones, for which it may make one in between."""
    return _compiled(function, counts_references=True)


def _compiled(function: Function, *, counts_references: bool) -> Function:
    # Any: numba's annotations leave the last option out.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": counts_references}
    kernel: Any = njit(**options)(function)
    with contextlib.suppress(RuntimeError):  # "no locator available": there is no folder at all
        # What ``cache=True`` does, with a cache that bears to be read-only.
        kernel._cache = _Cache(function)
    return cast("Function", kernel)  # a dispatcher, which is called like the function


class _AsItIs:
    """A folder that cannot be written but has machine code of these loops in it."""

    def ensure_cache_path(self) -> None:
        """Refuse a folder without, so that what is compiled can be kept in the next one."""
        folder = Path(self.get_cache_path())  # type: ignore[attr-defined]  # of the locator
        if not any(folder.glob(f"*.{_stamp_of_all_loops()}.nbi")):
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
        _ProvidedAsItIs,
        _InTreeAsItIs,
        UserWideCacheLocator,
    ]

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """The name of a function's files, with the stamp of all loops.

        A function's code has that of the functions it calls in it, whatever file these are in, so that the stamp of its own
        file alone (numba's rule) would leave old code in new loops.
        """
        base: str = super().get_filename_base(fullname, abiflags)  # type: ignore[no-untyped-call]  # numba's
        return f"{base}.{_stamp_of_all_loops()}"


class _Cache(FunctionCache):
    """Machine code on disk; what cannot be written is used all the same."""

    _impl_class = _CacheFiles

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]  # numba's, as below
        self._cache_file = _CodeFiles(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def save_overload(self, sig: object, data: object) -> None:
        """Keep one compiled version of the function if possible."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


class _CodeFiles(IndexDataCacheFile):
    """The files of one function: its index, and one file for each compiled version.

    A file of code is named for all that decides what is in it, and is there before the index tells of it. (With numba's
    numbered files a fresh index may tell of old code, or of another version's, when a write fails or two processes write.)
    """

    def __init__(self, folder: str, base: str, source_stamp: object) -> None:
        super().__init__(folder, base, source_stamp)  # type: ignore[no-untyped-call]  # numba's, as below
        self._folder, self._base = Path(folder), base

    def save(self, key: object, data: object) -> None:
        """Write the code, then the index; what other states of the loops have left is in nobody's interest."""
        name = f"{self._base}.{_hash_of(repr((self._source_stamp, key)).encode())}.nbc"
        self._save_data(name, data)  # type: ignore[no-untyped-call]
        self._save_index(self._load_index() | {key: name})  # type: ignore[no-untyped-call]
        for old in {*self._folder.glob("*.nb[ic]")} - {*self._folder.glob(f"*.{_stamp_of_all_loops()}.*")}:
            old.unlink(missing_ok=True)

    def load(self, key: object) -> object | None:
        """The code, or None if there is none that can be read: a power cut may leave half of it."""
        try:
            return super().load(key)  # type: ignore[no-untyped-call,no-any-return]
        except _UNREADABLE:
            return None

    def _load_index(self) -> dict[object, str]:
        try:
            return super()._load_index()  # type: ignore[no-untyped-call,no-any-return]
        except _UNREADABLE:
            return {}


_UNREADABLE = (OSError, EOFError, pickle.UnpicklingError)


@functools.cache
def _stamp_of_all_loops() -> str:
    """A hash of the sources of this package."""
    return _hash_of(b"".join(source.read_bytes() for source in sorted(Path(__file__).parent.glob("*.py"))))


def _hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
