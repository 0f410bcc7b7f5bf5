"""Series of a file as a schedule reads them: values in the unit of their sensor, for as long as each of them counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

import numpy as np

from services.cli.schedule_document import FileWrong, Finding, GivenSeries, fixed_seconds
from services.cli.schedule_site import Site
from services.optimizer.scheduling.building.input_series import InputSeries, SeriesKey
from services.optimizer.scheduling.building.needed_series import NeededSeries, Needs
from services.optimizer.scheduling.building.window import IntArray, epoch_s
from shared.durations import parse_duration
from shared.flexibility.facts import SensorFacts
from shared.units import UnitsIncompatible, conversion


class _Wrong(Exception):
    """What is wrong with a field of a series."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.text = text


def series_of(site: Site) -> dict[int, InputSeries]:
    """The series of the file, by the number of the sensor.

    Raises:
        FileWrong: one is of no sensor, its values and times do not match, or its unit is not that of its sensor.
    """
    findings: list[Finding] = []
    found = {}
    known = [one.name for one in site.file.document.sensors]
    for name, given in site.file.document.series.items():
        if name not in known:
            findings.append(Finding(("series", name), f"expected the name of one of the sensors: {', '.join(known)}"))
            continue
        sensor = site.made.sensors[site.names.sensors[name]]
        try:
            found[sensor.sensor_id] = _series(given, sensor)
        except _Wrong as wrong:
            findings.append(Finding(("series", name, wrong.field), wrong.text))
    if findings:
        raise site.file.wrong(findings)
    return found


def inputs_of(site: Site, needs: Needs, series: Mapping[int, InputSeries]) -> dict[SeriesKey, InputSeries]:
    """What the file has of what is needed.

    Raises:
        FileWrong: only values of some sources are to count, and values of a file have none.
    """
    inputs = {}
    for needed in needs.series:
        key, sensor = needed.key, site.made.sensors[needed.key.sensor_id]
        if key != SeriesKey(key.sensor_id):
            raise FileWrong(
                f"{site.file.path}: sensor '{sensor.name}': only values of some sources are to count, and values of a file have none"
            )
        if key.sensor_id in series:
            inputs[key] = _within(series[key.sensor_id], needed, sensor)
    return inputs


def _within(series: InputSeries, needed: NeededSeries, sensor: SensorFacts) -> InputSeries:
    """The events that are needed. One that counts for longer than the sensor's resolution may have begun as much earlier."""
    earlier_s = max(0, series.resolution_s - sensor.resolution_s)
    starts = series.event_starts_s
    inside = (starts >= epoch_s(needed.start) - earlier_s) & (starts < epoch_s(needed.end))
    return InputSeries(starts[inside], series.values[inside], series.resolution_s, series.unit)


def _series(given: GivenSeries, sensor: SensorFacts) -> InputSeries:
    starts, step_s = _starts(given, sensor)
    known = np.array([np.nan if value is None else value for value in given.values], dtype=float)
    try:
        convert = conversion(given.unit or sensor.unit, sensor.unit, resolution_s=step_s or None)
    except UnitsIncompatible as err:
        raise _Wrong("unit", f"expected one that converts to {sensor.unit}, the unit of the sensor") from err
    # Of a sensor of moments each value is about its moment, whatever lies between them.
    resolution_s = step_s if sensor.resolution_s else 0
    return InputSeries(starts, known * convert.factor + convert.offset, resolution_s, sensor.unit)


def _starts(given: GivenSeries, sensor: SensorFacts) -> tuple[IntArray, int]:
    """When each value begins [s since the epoch], and how long it counts [s]."""
    count = len(given.values)
    if given.times is not None:
        if given.start is not None or given.resolution is not None:
            raise _Wrong("times", "expected either these, or start and resolution")
        if len(given.times) != count:
            raise _Wrong("times", f"expected as many as there are values, {count}")
        starts = np.array([epoch_s(moment.astimezone(UTC)) for moment in given.times], dtype=np.int64)
        if np.any(np.diff(starts) <= 0):
            raise _Wrong("times", "expected each to be later than the one before it")
        return starts, sensor.resolution_s
    if given.start is None:
        raise _Wrong("start", "expected when the first value begins, or times")
    step_s = sensor.resolution_s if given.resolution is None else fixed_seconds(parse_duration(given.resolution)) or 0
    if step_s <= 0:
        raise _Wrong("resolution", "expected how far apart the values are, in whole seconds above zero, such as PT15M")
    return epoch_s(given.start.astimezone(UTC)) + step_s * np.arange(count, dtype=np.int64), step_s
