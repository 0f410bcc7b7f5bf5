"""``busbar schedule``: the planning that the service does in its children, done here on what a file says."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.cli.schedule_document import FileWrong, Finding, Place, read_file
from services.cli.schedule_made_up import owner_of, with_told_stocks
from services.cli.schedule_result import SolverLimits, result_of, text_of
from services.cli.schedule_series import inputs_of, series_of
from services.cli.schedule_site import Overrides, Site, site_of
from services.cli.usage import WrongUsage
from services.cli.whole_files import write_whole
from services.optimizer.scheduling.building.needed_series import needs_of
from services.optimizer.scheduling.planning import PlanFailed, Planned, PlanRequest, plan
from shared.flexibility.collection import Collected, collect
from shared.flexibility.errors import SCHEMA, ErrorTree, FlexConfigInvalid
from shared.flexibility.merging import ancestry

_OF_ASSET = re.compile("asset ([0-9]+)")


def run_schedule(path: Path, overrides: Overrides, limits: SolverLimits, out: Path | None, *, as_json: bool) -> None:
    """Plan, print the result, write it where it is wanted.

    Raises:
        WrongUsage: the file cannot be read, or there is no place for the result.
        FileWrong: what it says is wrong, or makes no schedule; FileNotWritten: the result could not be written after all.
    """
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise WrongUsage(f"{out}: --out wants a file in a folder that is there")
    site = site_of(read_file(path), overrides)
    collected = _collected(site)
    planned = _planned(site, collected, limits)
    result = result_of(site, planned)
    document = result.model_dump_json(indent=2) + "\n"
    if out is not None:  # before anything is printed, as whoever should see that may have gone
        write_whole({out: document.encode()})
    _warn(result.warnings)
    sys.stdout.write(document if as_json else text_of(site, collected, planned, result))
    sys.stdout.flush()


def _collected(site: Site) -> Collected:
    made = site.made
    try:
        collected = collect(made.trigger, made.assets, made.sensors)
    except FlexConfigInvalid as err:
        findings = [Finding(_place(site, path), site.names.worded(text)) for path, text in _leaves(err.errors)]
        raise site.file.wrong(findings) from err
    return with_told_stocks(collected, made)


def _planned(site: Site, collected: Collected, limits: SolverLimits) -> Planned:
    made = site.made
    series = series_of(site)
    needs = needs_of(collected, made.sensors, start=made.trigger.start, end=site.end, resolution_s=site.resolution_s)
    request = PlanRequest(
        collected=collected,
        window=needs.window,
        sensors=made.sensors,
        assets=made.assets,
        inputs=inputs_of(site, needs, series),
        warnings=needs.warnings,
        time_limit_s=limits.time_limit_s,
        mip_gap=limits.mip_gap,
    )
    outcome = plan(request)
    if isinstance(outcome, PlanFailed):
        _warn(site.names.worded(text) for text in outcome.warnings)
        reason = site.names.worded(": ".join(filter(None, [outcome.message, outcome.detail])))
        raise FileWrong(f"{site.file.path}: there is no schedule: {reason}")
    return outcome


def _warn(warnings: Iterator[str] | list[str]) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.writelines(f"busbar: {text}\n" for text in warnings)


# ------------------------------------------------------------------ where in the file it is


def _leaves(
    errors: Mapping[str, list[str] | ErrorTree], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, below in errors.items():
        here = path if key == SCHEMA else (*path, key)
        if isinstance(below, list):
            yield from ((here, text) for text in below)
        else:
            yield from _leaves(below, here)


def _place(site: Site, path: tuple[str, ...]) -> Place:
    """The place in the file of what is merged from the request and from what stands on assets."""
    top, *rest = path
    place: Place = (top,)
    if top == "flex-model" and rest:
        place, rest = _place_of_entry(site, rest)
    elif top == "flex-context" and rest:
        place, rest = _place_of_context(site, rest)
    return (*place, *(int(part) if part.isdecimal() else part for part in rest))


def _place_of_entry(site: Site, rest: list[str]) -> tuple[Place, list[str]]:
    of_asset = _OF_ASSET.fullmatch(rest[0])
    if of_asset is not None:
        return ("assets", int(of_asset[1]) - 1, "flex-model"), rest[1:]
    if len(rest) > 1 and rest[0].isdecimal() and rest[1] not in site.file.document.flex_model[int(rest[0])]:
        owner = owner_of(site.made.entries[int(rest[0])], site.made.sensors)
        if owner is not None and rest[1] in site.made.assets[owner].flex_model:
            return ("assets", owner - 1, "flex-model"), rest[1:]
    return ("flex-model",), rest


def _place_of_context(site: Site, rest: list[str]) -> tuple[Place, list[str]]:
    requested = site.file.document.flex_context
    if isinstance(requested, list):
        return ("flex-context",), rest[1:] if rest[0] == "commodities" else rest
    if not isinstance(requested, dict) or rest[0] in requested:
        return ("flex-context",), rest
    for asset in ancestry(site.made.trigger.asset_id, site.made.assets):
        if rest[0] in asset.flex_context:
            return ("assets", asset.asset_id - 1, "flex-context"), rest
    return ("flex-context",), rest
