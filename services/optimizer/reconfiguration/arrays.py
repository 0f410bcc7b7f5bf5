"""Read-only arrays of the package's element types, contiguous as the compiled loops want them.

A loop is compiled anew for each mixture of read-only and other arguments, so what goes in should be one or the other.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray, IntArray

Scalar = TypeVar("Scalar", bound=np.generic)


def fixed(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array in contiguous memory, set read-only; an array that is contiguous already is not copied."""
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def ints(values: ArrayLike) -> IntArray:
    """A new array of positions."""
    return fixed(np.array(values, dtype=np.int32))


def floats(values: ArrayLike) -> FloatArray:
    """A new array of quantities."""
    return fixed(np.array(values, dtype=np.float64))


def bools(values: ArrayLike) -> BoolArray:
    """A new array of claims."""
    return fixed(np.array(values, dtype=np.bool_))


def complexes(values: ArrayLike) -> ComplexArray:
    """A new array of phasors or impedances."""
    return fixed(np.array(values, dtype=np.complex128))
