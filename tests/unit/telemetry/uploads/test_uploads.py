"""Files as users upload them, and the events that they state."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from openpyxl import Workbook  # type: ignore[import-untyped]

from services.telemetry.uploads import SensorGrid, UploadInvalid, events_of, rows_of
from shared.beliefs import microseconds

POWER = SensorGrid("kW", 900, "Europe/Amsterdam")
START = datetime.fromisoformat("2024-03-01T00:00+01:00")
QUARTERS = [f"2024-03-01T{at // 4:02d}:{at % 4 * 15:02d}:00+01:00" for at in range(96)]


def csv(*rows: str, header: str = "when,value") -> bytes:
    return "\n".join((header, *rows, "")).encode()


def read(content: bytes, sensor: SensorGrid = POWER, unit: str = "", name: str = "f.csv") -> dict[float, float]:
    """Values by minutes after START."""
    events = events_of(name, rows_of(name, content), unit or sensor.unit, sensor)
    minutes = [(at - microseconds(START)) / 60_000_000 for at in events.starts_us]
    assert minutes == sorted(set(minutes))
    return dict(zip(minutes, events.values, strict=True))


def sheet(rows: list[Any]) -> bytes:  # Any: rows of cells of any kind
    book, out = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def test_times_with_an_offset_and_naive_ones_in_the_sensors_timezone() -> None:
    expected = {0: 1, 15: 2, 30: 3}
    assert read(csv("2024-03-01 00:00,1", "2024-03-01 00:15,2", "2024-03-01 00:30,3")) == expected
    assert read(csv("2024-02-29T23:00Z,1", "2024-03-01T00:15:00+01:00,2", "2024-03-01T01:30+02:00,3")) == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_as_programs_write_it(delimiter: str, newline: str, mark: str) -> None:
    rows = (f'"when"{delimiter}"kW"', f"2024-03-01 00:00{delimiter}1", f'"2024-03-01 00:15"{delimiter}" 2.5 "', "")
    assert read((mark + newline.join(rows)).encode()) == {0: 1, 15: 2.5}


def test_workbooks_with_times_as_times_or_as_text() -> None:
    rows = [["when", "kw"], *([START.replace(minute=15 * at, tzinfo=None), at + 0.5] for at in range(3))]
    assert read(sheet(rows), name="b.XLSX") == {0: 0.5, 15: 1.5, 30: 2.5}
    rows = [["when", "kw"], ["2024-03-01T00:00+01:00", 1], ["2024-03-01 00:15", "2"]]
    assert read(sheet(rows), name="b.xlsx") == {0: 1, 15: 2}
    days = [["day", "kw"], [date(2024, 3, 1), 1], [date(2024, 3, 2), 2]]
    daily = replace(POWER, resolution_s=86_400)
    assert read(sheet(days), daily, name="b.xlsm") == {0: 1, 1440: 2}


def test_empty_cells_state_nothing_and_empty_rows_are_left_out() -> None:
    found = read(csv("2024-03-01 00:00,1", "", "2024-03-01 00:15,", "2024-03-01 00:30,3"))
    assert list(found) == [0, 15, 30] and math.isnan(found[15])


@pytest.mark.parametrize("cell", ["nan", "NaN", " NULL ", "NA", "n/a", "#N/A"])
def test_what_other_programs_write_for_no_value_states_nothing(cell: str) -> None:
    found = read(csv("2024-03-01 00:00,1", f"2024-03-01 00:15,{cell}", "2024-03-01 00:30,3"))
    assert list(found) == [0, 15, 30] and math.isnan(found[15])
    rows = [["when", "kw"], ["2024-03-01 00:00", 1], ["2024-03-01 00:15", cell]]
    assert math.isnan(read(sheet(rows), name="b.xlsx")[15])


def test_rows_may_come_in_any_order() -> None:
    assert read(csv("2024-03-01 00:30+01:00,3", "2024-03-01 00:00+01:00,1", "2024-03-01 00:15+01:00,2")) == {
        0: 1,
        15: 2,
        30: 3,
    }


def test_energy_and_money_are_summed_and_power_is_averaged() -> None:
    eight = csv(*(f"{when},{at}" for at, when in enumerate(QUARTERS[:8])))
    hourly = replace(POWER, resolution_s=3600)
    assert read(eight, hourly) == {0: 1.5, 60: 5.5}
    assert read(eight, replace(hourly, unit="kWh")) == {0: 6, 60: 22}
    assert read(eight, replace(hourly, unit="EUR")) == {0: 6, 60: 22}
    assert read(eight, replace(hourly, unit="EUR/kWh")) == {0: 1.5, 60: 5.5}


def test_a_coarser_file_is_repeated_and_its_energy_divided() -> None:
    two = csv("2024-03-01 00:00,4", "2024-03-01 01:00,8")
    assert list(read(two).values()) == [4] * 4 + [8] * 4
    assert list(read(two, replace(POWER, unit="kWh")).values()) == [1] * 4 + [2] * 4


def test_units_are_converted_by_the_files_own_resolution() -> None:
    two = csv("2024-03-01 00:00,1", "2024-03-01 00:15,2")
    assert read(two, unit="MW") == {0: 1000, 15: 2000}
    assert read(two, unit="kWh") == {0: 4, 15: 8}
    assert read(two, replace(POWER, unit="kWh", resolution_s=1800), unit="kW") == {0: 0.75}
    with pytest.raises(UploadInvalid, match="Required unit for this sensor is kW, got incompatible unit: EUR"):
        read(two, unit="EUR")


def test_times_off_the_grid_are_floored_unless_the_sensor_says_otherwise() -> None:
    off = csv("2024-03-01T00:02:00+01:00,1", "2024-03-01T00:17:00+01:00,2")
    assert read(off) == {0: 1, 15: 2}
    assert read(off, replace(POWER, is_floored=False)) == {2: 1, 17: 2}


def test_one_row_has_the_sensors_resolution_and_of_many_the_most_frequent_distance_counts() -> None:
    assert read(csv("2024-03-01 00:00,7")) == {0: 7}
    gappy = csv("2024-03-01 00:00,1", "2024-03-01 00:15,2", "2024-03-01 00:30,3", "2024-03-01 03:00,4")
    assert read(gappy) == {0: 1, 15: 2, 30: 3, 180: 4}
    with pytest.raises(UploadInvalid, match=r"Resolution of 0:10:00 is incompatible .* 0:15:00"):
        read(csv("2024-03-01 00:00,1", "2024-03-01 00:10,2"))


def test_moments_stay_as_they_are_or_are_rounded_to_the_frequency() -> None:
    level = SensorGrid("kWh", 0, "UTC")
    rows = csv("2024-02-29T23:01:00Z,1", "2024-02-29T23:14:00Z,2")
    assert read(rows, level) == {1: 1, 14: 2}
    assert read(rows, replace(level, frequency_s=300)) == {0: 1, 15: 2}
    with pytest.raises(UploadInvalid, match="overlap"):
        read(rows, replace(level, frequency_s=3600))
    with pytest.raises(UploadInvalid, match="incompatible unit: kW"):
        read(rows, level, unit="kW")


def test_the_hour_that_the_clock_leaps_over_and_the_one_that_it_shows_twice() -> None:
    hourly = replace(POWER, resolution_s=3600)
    spring = read(csv(*(f"2026-03-29 {hour:02d}:00,{hour}" for hour in (0, 1, 3, 4, 5))), hourly)
    first = min(spring)
    assert {round((at - first) / 60): value for at, value in spring.items()} == {0: 0, 1: 1, 2: 3, 3: 4, 4: 5}
    autumn = read(csv(*(f"2025-10-26 {hour:02d}:00,{at}" for at, hour in enumerate([0, 1, 2, 2, 3, 4]))), hourly)
    first = min(autumn)
    assert {round((at - first) / 60): value for at, value in autumn.items()} == {at: at for at in range(6)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ("2024-03-01 00:00,many", "2024-03-01 00:15,few"),
            "g.csv, row 2: 'many' is not a number; values should be numeric",
        ),
        (("2024-03-01 00:00,-nan",), "row 2: '-nan' is not a number"),
        (("2024-03-01 00:00,1_000",), "row 2: '1_000' is not a number"),
        (("2024-03-01 00:00,1e999",), "row 2: '1e999' is too large"),
        (("soon,1",), "g.csv, row 2: 'soon' is not a time"),
        (("2024-03-01 00:00,1,x",), "row 2: there have to be exactly two columns"),
        (("2024-03-01 00:00",), "row 2: there have to be exactly two columns"),
        ((), "g.csv: there is no row below the header"),
        (("2024-03-01 00:00,1", "2024-03-01T00:00+01:00,1"), "row 3: it is about 2024-02-29T23:00:00"),
        (('2024-03-01 00:00,"1',), "not readable as CSV"),
    ],
)
def test_what_cannot_be_taken_is_said_with_file_and_row(rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(UploadInvalid, match=message):
        read(csv(*rows), name="g.csv")


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.xlsm"])
@pytest.mark.parametrize(
    "content", [b"", b"not a workbook", b"PK\x03\x04" + b"\0" * 100, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600]
)
def test_a_workbook_that_is_none_is_refused(name: str, content: bytes) -> None:
    with pytest.raises(UploadInvalid, match=f"{name}: not readable as a workbook"):
        rows_of(name, content)


def test_a_header_of_three_columns_and_text_in_another_encoding_are_refused() -> None:
    with pytest.raises(UploadInvalid, match="row 1: there have to be exactly two columns"):
        read(csv("2024-03-01 00:00,1,x", header="when,kw,note"))
    with pytest.raises(UploadInvalid, match="UTF-8"):
        read("when,Größe\n2024-03-01 00:00,1\n".encode("latin-1"))


def test_a_file_of_a_hundred_thousand_minutes_is_read() -> None:
    rows = [f"{(START + timedelta(minutes=at)).isoformat()},{at % 7}" for at in range(100_000)]
    found = read(csv(*rows), SensorGrid("kW", 60, "UTC"))
    assert len(found) == 100_000 and sum(found.values()) == sum(at % 7 for at in range(100_000))


def at(moment: str) -> float:
    """Minutes after START."""
    return (datetime.fromisoformat(moment) - START).total_seconds() / 60


SPRING_DAYS = {"2024-03-30T00:00+01:00": 24, "2024-03-31T00:00+01:00": 23, "2024-04-01T00:00+02:00": 24}
AUTUMN_DAYS = {"2024-10-26T00:00+02:00": 24, "2024-10-27T00:00+02:00": 25, "2024-10-28T00:00+01:00": 24}


@pytest.mark.parametrize("days", [SPRING_DAYS, AUTUMN_DAYS])
def test_days_are_those_of_the_sensors_clock_also_with_an_hour_more_or_less(days: dict[str, int]) -> None:
    daily = replace(POWER, unit="kWh", resolution_s=86_400)
    starts = list(days)
    naive = csv(*(f"{start[:10]},{number}" for number, start in enumerate(starts)))
    assert read(naive, daily) == {at(start): number for number, start in enumerate(starts)}
    assert read(csv(f"{starts[1]},1", f"{starts[2]},2"), daily) == {at(starts[1]): 1, at(starts[2]): 2}
    first = datetime.fromisoformat(starts[0])
    hourly = csv(*(f"{(first + timedelta(hours=hour)).isoformat()},1" for hour in range(sum(days.values()))))
    assert read(hourly, daily) == {at(start): hours for start, hours in days.items()}


def test_a_days_energy_is_divided_over_the_hours_that_the_day_has() -> None:
    hourly = replace(POWER, unit="kWh", resolution_s=3600)
    spring = read(csv(*(f"{start[:10]},{hours}" for start, hours in SPRING_DAYS.items())), hourly)
    assert list(spring.values()) == [1] * (24 + 23 + 24)
    autumn = read(csv(*(f"{start[:10]},{hours}" for start, hours in AUTUMN_DAYS.items())), hourly)
    assert list(autumn.values()) == [1] * (24 + 25 + 24)
