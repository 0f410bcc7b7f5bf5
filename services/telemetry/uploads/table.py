"""The rows of an uploaded table: a header, and below it two columns, when an event starts and its value.

CSV by the standard library, all Excel formats by calamine. Of a workbook the first sheet counts.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePath

from python_calamine import CalamineError, CalamineWorkbook

from shared.errors import InvalidInput

MOST_ROWS = 2_000_000
_DELIMITERS = (",", ";", "\t")
# How other programs write that there is no value.
_NO_VALUE = frozenset({"", "nan", "na", "n/a", "#n/a", "null"})


class UploadInvalid(InvalidInput):
    """The file cannot be taken; the sentence names the file and, where there is one, the row."""

    code = "upload_invalid"

    def __init__(self, filename: str, reason: str, *, row: int | None = None) -> None:
        super().__init__(f"{filename}{'' if row is None else f', row {row}'}: {reason}", field="uploaded-files")
        self.filename = filename


@dataclass(frozen=True, slots=True)
class Row:
    """One row of data by its number in the file (the header is 1). ``when`` may be naive; ``value`` is NaN where there is none."""

    number: int
    when: datetime
    value: float


def rows_of(filename: str, content: bytes) -> list[Row]:
    """The rows below the header, in the file's order; empty rows are left out.

    Raises:
        UploadInvalid: it is no table of two columns with times and numbers, or has no row.
    """
    kind = PurePath(filename).suffix.lower()
    cells = _csv_cells(filename, content) if kind == ".csv" else _sheet_cells(filename, content)
    rows = list(_read(filename, cells))
    if not rows:
        raise UploadInvalid(filename, "there is no row below the header.")
    return rows


def _csv_cells(filename: str, content: bytes) -> Iterator[Sequence[object]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UploadInvalid(filename, "a CSV file has to be UTF-8 text.") from None
    header = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise UploadInvalid(filename, f"not readable as CSV: {error}.") from None


def _sheet_cells(filename: str, content: bytes) -> Iterator[Sequence[object]]:
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(content)) as workbook:
            sheet = workbook.get_sheet_by_index(0)
            if sheet.height > MOST_ROWS:
                raise UploadInvalid(filename, f"more than {MOST_ROWS} rows.")
            yield from sheet.iter_rows()
    except (CalamineError, OSError, ValueError) as error:
        raise UploadInvalid(
            filename, f"not readable as a workbook: {str(error)[:200] or type(error).__name__}."
        ) from None


def _read(filename: str, cells: Iterable[Sequence[object]]) -> Iterator[Row]:
    for number, row in enumerate(cells, start=1):
        if number > MOST_ROWS:
            raise UploadInvalid(filename, f"more than {MOST_ROWS} rows.")
        if all(_is_empty(cell) for cell in row):
            continue
        if len(row) != 2:
            reason = f"there have to be exactly two columns, the start of the event and its value, not {len(row)}."
            raise UploadInvalid(filename, reason, row=number)
        if number > 1:
            yield Row(number, _moment(filename, number, row[0]), _number(filename, number, row[1]))


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _moment(filename: str, number: int, cell: object) -> datetime:
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001  # naive, as all times of a sheet are
    try:
        return datetime.fromisoformat(str(cell).strip())
    except ValueError:
        reason = f"{str(cell)[:100]!r} is not a time; times should be written as in 2024-03-01 00:15 or 2024-03-01T00:15+01:00."
        raise UploadInvalid(filename, reason, row=number) from None


def _number(filename: str, number: int, cell: object) -> float:
    if _is_no_value(cell):
        return math.nan
    try:
        value = math.nan if _is_no_number(cell) else float(cell)  # type: ignore[arg-type]  # what it is not, it says
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value):
        raise UploadInvalid(filename, f"{str(cell)[:100]!r} is not a number; values should be numeric.", row=number)
    if math.isinf(value):
        raise UploadInvalid(filename, f"{str(cell)[:100]!r} is too large; values should be finite.", row=number)
    return value


def _is_no_value(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in _NO_VALUE)


def _is_no_number(cell: object) -> bool:
    """What Python would take for one and nobody who writes tables means as one: yes or no, and 1_000."""
    return isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell)
