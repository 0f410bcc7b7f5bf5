"""How every loop of this package is compiled: once per machine, kept on disk where that can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])  # any signature: the decorator hands it through


def compiled(function: Function) -> Function:
    """Compile to machine code; undefined numbers propagate as in numpy, no reassociation, and no lock is held while it runs.

    The machine code is kept beside the source or, where that folder is read-only, in the user's cache folder. Where neither
    can be written it is compiled anew by each process: slower to start, with the same results.
    """
    try:
        kernel = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # "no locator available": there is no folder for the cache
        kernel = njit(nogil=True, error_model="numpy")(function)
    return cast("Function", kernel)  # a dispatcher, which is called like the function
