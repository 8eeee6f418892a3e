"""A batch's scores as a table: for spreadsheets, for data frames, and how many there are."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import TYPE_CHECKING, get_args

from roi_accel._util.error_translation import require
from roi_accel._util.text import in_table
from roi_accel.batch.records import SUMMARY_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.batch.records import Summary


def in_order(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the rows in the order of the manifest."""
    return sorted(summaries, key=lambda each: (each.line, each.distorted or ""))


def to_csv(summaries: Sequence[Summary]) -> str:
    """Return a table with a row per pair; what is not known is empty."""
    with io.StringIO(newline="") as text:
        writer = csv.DictWriter(text, fieldnames=list(SUMMARY_TYPES), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(each) for each in in_order(summaries))
        return in_table(text.getvalue())


def require_parquet() -> None:
    """Raise InputError where pyarrow, which writes Parquet, is missing or broken."""
    require("pyarrow.parquet", "parquet", "--parquet")


def to_parquet(summaries: Sequence[Summary]) -> bytes:
    """Return the same table as Parquet, typed as `Summary` is.

    Raises
    ------
    InputError
        pyarrow is missing.
    """
    require_parquet()
    import pyarrow as pa  # noqa: PLC0415 - an extra, and a large one
    from pyarrow import parquet  # noqa: PLC0415 - as above

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    # Each is of one type, or None.
    schema = pa.schema(
        [(name, kinds[(get_args(kind) or (kind,))[0]]) for name, kind in SUMMARY_TYPES.items()]
    )
    rows = [
        {
            name: in_table(value) if isinstance(value, str) else value
            for name, value in asdict(each).items()
        }
        for each in in_order(summaries)
    ]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()
