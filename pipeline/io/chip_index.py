"""The index of a chip set: which chips belong together."""

from __future__ import annotations

import csv
from pathlib import Path

from pipeline.errors import Finding, InputError

INDEX_FILE = "index.csv"


def read_groups(folder: Path, column: str) -> dict[str, str]:
    """Group by file name: first column of `index.csv` → `column`; empty if no column is asked.

    Raises `InputError` E-TRAIN-DATA without the index or the column.
    """
    if not column:
        return {}
    path = folder / INDEX_FILE
    names: list[str] = []
    if path.is_file():
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = list(reader.fieldnames or [])
            if column in names:
                return {row[names[0]]: row[column] for row in reader}
    raise InputError(
        Finding(
            "E-TRAIN-DATA",
            f"索引里没有分组的列“{column}”。",
            where=str(path),
            value="、".join(names) or "没有索引",
            allowed=f"{INDEX_FILE}：第一列为文件名，另有列 {column}",
            advice="核对 --group-by，或补上索引。",
        )
    )
