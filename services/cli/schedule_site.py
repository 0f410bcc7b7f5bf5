"""From a file to what a schedule is made from: assets and sensors with numbers, the trigger, and the time that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.cli.schedule_document import Document, Finding, GivenFile, Place, fixed_seconds
from services.cli.schedule_made_up import MadeUp, with_made_up_sensors
from services.cli.schedule_names import Names
from services.cli.usage import WrongUsage
from shared.durations import Duration, MomentOutOfRange, parse_duration
from shared.flexibility.collection import Trigger
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.planning_defaults import PLANNING_HORIZON

# As long as a step may be in the API.
LONGEST_STEP_S = 366 * 86_400
# Far enough from both ends of the calendar for all that is counted from there.
FIRST_YEAR, LAST_YEAR = 1900, 9000
SITE_NAME, SITE_TYPE = "site", "building"


@dataclass(frozen=True)
class Overrides:
    """What the command line says of the time; None: as the file has it."""

    start: datetime | None = None
    duration: Duration | None = None
    resolution: Duration | None = None


@dataclass(frozen=True)
class Site:
    """What a schedule is made from, but for the series. ``start`` has the offset that it was given with."""

    file: GivenFile
    names: Names
    made: MadeUp
    start: datetime
    end: datetime
    resolution_s: int | None


def site_of(file: GivenFile, overrides: Overrides) -> Site:
    """The site that a file describes, with sensors made up for devices that name none.

    Raises:
        FileWrong: names are not there or occur twice, or the time is none.
        WrongUsage: the time of the command line is none.
    """
    document = file.document
    start = overrides.start or document.start
    if start is None:
        text = "expected a moment such as 2030-01-01T00:00:00+01:00, here or as --start"
        raise file.wrong([Finding(("start",), text)])
    if not FIRST_YEAR <= start.year < LAST_YEAR:
        raise file.wrong([_of_time("start", overrides.start, f"expected a year from {FIRST_YEAR} to {LAST_YEAR}")])
    names = Names()
    assets = _assets(document, names)
    root = _root(document, names, assets)
    sensors = _sensors(document, names, root)
    assets = {number: _numbered(asset, names) for number, asset in assets.items()}
    model = names.numbered(document.flex_model, ("flex-model",))
    context = names.numbered(document.flex_context, ("flex-context",))
    resolution_s = _resolution_s(overrides.resolution, document, names.findings)
    end = _end(start, overrides.duration, document, sensors, names.findings)
    if names.findings:
        raise file.wrong(names.findings)
    trigger = Trigger(root, start.astimezone(UTC), model, context)
    made = with_made_up_sensors(trigger, assets, sensors, names, resolution_s)
    return Site(file, names, made, start, end, resolution_s)


def _assets(document: Document, names: Names) -> dict[int, AssetFacts]:
    assets = {}
    for position, one in enumerate(document.assets):
        place: Place = ("assets", position)
        parent = None
        if one.name in names.assets:
            names.findings.append(Finding((*place, "name"), "expected a name that no other asset has"))
        if one.parent is not None:
            parent = names.assets.get(one.parent.removeprefix("$"))
            if parent is None:
                text = "expected the name of an asset that stands above this one in the list"
                names.findings.append(Finding((*place, "parent"), text))
        number = position + 1
        names.assets.setdefault(one.name, number)
        assets[number] = AssetFacts(
            number, parent, one.name, one.type, one.attributes, one.flex_model, one.flex_context
        )
    if not assets:
        names.assets[SITE_NAME] = 1
        assets[1] = AssetFacts(1, None, SITE_NAME, SITE_TYPE)
    return assets


def _root(document: Document, names: Names, assets: Mapping[int, AssetFacts]) -> int:
    """The asset that is scheduled: the one that the file names, else the only one at the top."""
    tops = [number for number, asset in assets.items() if asset.parent_asset_id is None]
    if document.asset is None:
        if len(tops) > 1:
            named = ", ".join(assets[number].name for number in tops)
            names.findings.append(Finding(("asset",), f"expected the asset to schedule, such as one of {named}"))
        return tops[0]
    found = names.assets.get(document.asset.removeprefix("$"))
    if found is None:
        names.findings.append(Finding(("asset",), f"expected one of the assets: {', '.join(names.assets)}"))
    return found or tops[0]


def _sensors(document: Document, names: Names, root: int) -> dict[int, SensorFacts]:
    sensors = {}
    for position, one in enumerate(document.sensors):
        place: Place = ("sensors", position)
        owner = root if one.asset is None else names.assets.get(one.asset.removeprefix("$"))
        if owner is None:
            text = f"expected one of the assets: {', '.join(names.assets)}"
            names.findings.append(Finding((*place, "asset"), text))
        if one.name in names.sensors:
            names.findings.append(Finding((*place, "name"), "expected a name that no other sensor has"))
        resolution_s = fixed_seconds(parse_duration(one.resolution))
        if resolution_s is None or not 0 <= resolution_s <= LONGEST_STEP_S or resolution_s % 60:
            text = "expected whole minutes up to a year, or PT0S for values at moments"
            names.findings.append(Finding((*place, "resolution"), text))
        number = position + 1
        names.sensors.setdefault(one.name, number)
        sensors[number] = SensorFacts(
            number, owner or root, one.name, one.unit, resolution_s or 0, one.timezone, one.attributes
        )
    return sensors


def _numbered(asset: AssetFacts, names: Names) -> AssetFacts:
    place: Place = ("assets", asset.asset_id - 1)
    model: dict[str, Any] = names.numbered(asset.flex_model, (*place, "flex-model"))  # Any: JSON, as below
    context: dict[str, Any] = names.numbered(asset.flex_context, (*place, "flex-context"))
    return replace(asset, flex_model=model, flex_context=context)


def _resolution_s(given: Duration | None, document: Document, findings: list[Finding]) -> int | None:
    if given is None and document.resolution is None:
        return None
    seconds = fixed_seconds(given or parse_duration(document.resolution or ""))
    if not seconds or not 0 < seconds <= LONGEST_STEP_S or seconds % 60:
        findings.append(_of_time("resolution", given, "expected whole minutes up to a year, such as PT15M"))
        return None
    return seconds


def _end(
    start: datetime,
    given: Duration | None,
    document: Document,
    sensors: Mapping[int, SensorFacts],
    findings: list[Finding],
) -> datetime:
    """As in the API a day is 24 hours, and months are those of the place's clock: that of the first sensor."""
    if given is None and document.duration is None:
        return start.astimezone(UTC) + PLANNING_HORIZON
    length = given or parse_duration(document.duration or "")
    zone = next((sensor.timezone for sensor in sensors.values()), "UTC")
    try:
        if length.seconds is None:
            end = length.added_to(start, ZoneInfo(zone))
        else:
            end = start.astimezone(UTC) + timedelta(seconds=length.seconds)
    except (MomentOutOfRange, OverflowError):
        end = datetime.max.replace(tzinfo=UTC)
    if end <= start or end.year >= LAST_YEAR:
        findings.append(_of_time("duration", given, f"expected one above zero that ends before the year {LAST_YEAR}"))
    return end


def _of_time(name: str, given: object, text: str) -> Finding:
    """A finding about what the file says; what the command line says instead is refused as such."""
    if given is not None:
        raise WrongUsage(f"--{name}: {text}")
    return Finding((name,), text)
