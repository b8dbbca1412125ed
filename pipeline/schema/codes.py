"""Code tables: closed lists of codes with Chinese labels, known misspellings and ignored codes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import Finding, InputError

REQUIRED_COLUMNS = ("code", "label_zh")
SPECIAL_COLUMNS = (*REQUIRED_COLUMNS, "fixes", "is_ignored")
"""Columns with a meaning of their own; all others are attributes of the code."""


@dataclass(frozen=True)
class CodeTable:
    """A closed list of codes."""

    name: str
    labels: Mapping[str, str]
    """Code → Chinese label, in the order of the table."""
    fixes: Mapping[str, str]
    """Known misspelling → code."""
    ignored: frozenset[str]
    """Texts that stand for "no code" and are no mistake."""
    attributes: Mapping[str, Mapping[str, str]]
    """Code → further column → text."""

    def lookup(self, text: str) -> str | None:
        """The code meant by `text` (blanks around it do not count), None if there is none."""
        word = text.strip()
        return word if word in self.labels else self.fixes.get(word)

    def is_ignored(self, text: str) -> bool:
        """Whether `text` is known to stand for no code."""
        return text.strip() in self.ignored


def build_code_table(name: str, rows: Sequence[Mapping[str, str]], source: str) -> CodeTable:
    """A table from text rows with the columns `code`, `label_zh` and any further ones.

    Optional columns: `fixes`, a JSON array of misspellings; `is_ignored`, "1" for a text that
    stands for no code. `source` names the rows in findings; the first row is line 2.
    Raises `InputError` with every finding at once.
    """
    findings = _check(rows, source)
    if findings:
        raise InputError(findings)
    ignored = frozenset(row["code"] for row in rows if row.get("is_ignored") == "1")
    codes = {row["code"]: row for row in rows if row["code"] not in ignored}
    return CodeTable(
        name=name,
        labels={code: row["label_zh"] for code, row in codes.items()},
        fixes={fix: code for code, row in codes.items() for fix in _fixes(row)},
        ignored=ignored,
        attributes={
            code: {key: text for key, text in row.items() if key not in SPECIAL_COLUMNS}
            for code, row in codes.items()
        },
    )


def _fixes(row: Mapping[str, str]) -> list[str]:
    text = row.get("fixes", "")
    fixes = json.loads(text) if text else []
    if not isinstance(fixes, list) or not all(isinstance(fix, str) for fix in fixes):
        raise ValueError("fixes must be a JSON array of text")
    return fixes


def _check(rows: Sequence[Mapping[str, str]], source: str) -> list[Finding]:
    """Every mistake of the rows."""
    missing = [c for c in REQUIRED_COLUMNS if not rows or c not in rows[0]]
    if missing:
        what = f"代码表没有数据，或缺少列：{'、'.join(missing)}。"
        allowed = f"至少一行，含列 {'、'.join(REQUIRED_COLUMNS)}"
        return [Finding("E-CONFIG-VALUE", what, source, allowed=allowed, advice="补全后重试。")]
    findings = []
    meanings: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        where = f"{source}:{line}"
        findings += _check_row(row, where)
        try:
            words = [row["code"], *_fixes(row)]
        except ValueError:
            allowed = 'JSON 数组，例如 ["1", "一"]'
            what = "fixes 列的写法无法识别。"
            findings.append(_finding(what, where, row["fixes"], allowed, "改写或清空。"))
            words = [row["code"]]
        for word in words:
            if word in meanings:
                what = f"“{word}”与第 {meanings[word]} 行重复。"
                advice = "每个代码和每种误写只能出现一次，删去多余的一处。"
                findings.append(_finding(what, where, word, "", advice))
            meanings.setdefault(word, line)
    return findings


def _check_row(row: Mapping[str, str], where: str) -> list[Finding]:
    findings = []
    if not row["code"] or row["code"] != row["code"].strip():
        what = "代码为空，或前后有空格。"
        findings.append(_finding(what, where, repr(row["code"]), "不含空格的文字", "改写代码。"))
    is_ignored = row.get("is_ignored", "")
    if is_ignored not in ("", "0", "1"):
        what = "is_ignored 列的取值无法识别。"
        findings.append(_finding(what, where, is_ignored, "0、1 或留空", "改写该格。"))
    if not row["label_zh"].strip() and is_ignored != "1":
        what = f"代码“{row['code']}”没有中文名称。"
        findings.append(_finding(what, where, "", "非空文字", "补上 label_zh。"))
    return findings


def _finding(what: str, where: str, value: str, allowed: str, advice: str) -> Finding:
    return Finding("E-CONFIG-VALUE", what, where, value, allowed, advice)
