"""Reads one flex-model or flex-context by itself, such as what is stored on an asset."""

from __future__ import annotations

from shared.flexibility.asset_types import PROCESS_TYPES
from shared.flexibility.errors import Problems
from shared.flexibility.facts import Sensors
from shared.flexibility.flex_context import FlexContext
from shared.flexibility.flex_context_reading import read_context
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.flex_model_reading import read_entry
from shared.flexibility.quantity_fields import Reading


def read_flex_model(
    raw: object, *, is_stored: bool = False, sensors: Sensors | None = None, asset_type: str | None = None
) -> FlexModelEntry:
    """One flex-model.

    Args:
        raw: JSON as Python reads it.
        is_stored: whether it is to be stored on an asset, where time series and other assets have no place.
        sensors: those that it names, for checking that they are there and measure the right thing; None: not checked.
        asset_type: of the asset that it describes; only some may be processes. None: not known.
    Raises:
        FlexConfigInvalid: with all that is wrong, by field.
    """
    problems = Problems()
    may_be_process = asset_type is None or asset_type in PROCESS_TYPES
    entry = read_entry(raw, problems, Reading(is_stored, sensors), may_be_process=may_be_process)
    problems.raise_if_any()
    return entry


def read_flex_context(raw: object, *, is_stored: bool = False, sensors: Sensors | None = None) -> FlexContext:
    """One flex-context.

    Args:
        raw: JSON as Python reads it.
        is_stored: whether it is to be stored on an asset, where time series and fixed energy prices have no place.
        sensors: those that it names, for checking that they are there and measure the right thing; None: not checked.
    Raises:
        FlexConfigInvalid: with all that is wrong, by field.
    """
    problems = Problems()
    context = read_context(raw, problems, Reading(is_stored, sensors))
    problems.raise_if_any()
    return context
