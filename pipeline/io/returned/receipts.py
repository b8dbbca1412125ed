"""Writing what `collect` tells people: receipts, patches without an answer, a summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.io.point_table import write_table
from pipeline.io.reports import write_json

RECEIPT_HEADER = (
    "序号",
    "乡镇代码",
    "乡镇",
    "文件",
    "文件SHA-256",
    "类别",
    "行号",
    "对象",
    "结果",
    "代码",
    "说明",
    "现值",
    "允许",
    "办法",
    "提示",
)
"""Columns of `receipts.csv`, one line per returned record."""

MISSING_HEADER = (
    "乡镇代码",
    "乡镇",
    "图斑编号",
    "下发编号",
    "来源",
    "初判",
    "图斑面积（亩）",
    "反馈截止",
    "截至统计日",
)
"""Columns of `missing.csv`, one line per patch without an accepted answer."""


def write_receipts(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write the receipts, numbered from 1: equal rows give equal bytes."""
    write_table(
        path, RECEIPT_HEADER, [(str(number), *row) for number, row in enumerate(rows, start=1)]
    )


def write_missing(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write the patches that nobody has answered yet."""
    write_table(path, MISSING_HEADER, list(rows))


def write_summary(path: Path, content: Mapping[str, Any]) -> None:
    """Write the counts."""
    write_json(path, content)
