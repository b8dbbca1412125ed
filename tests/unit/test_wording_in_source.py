"""No text that the program holds ready calls a clue 违法 or 非法, also where no run gets to."""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.factories import ROOT
from tests.wording import WORDS, unguarded

BOOKS = (
    "pipeline/delivery/brief",
    "pipeline/delivery/book_styles.py",
    "pipeline/delivery/tables/",
    "pipeline/rules/books/",
    "pipeline/stages/statistics",
    "pipeline/cli/present.py",
)
"""Modules that tell of signed judgements; `tests/run/test_wording.py` watches their words."""
SIGNED_RULES = ("accountability", "quota", "deadline")
"""Groups of rules that are used on signed judgements only, so that their titles may say it."""
SIGNED_TABLES = ("judgement.csv", "earlier_state.csv")
"""Code tables of what the bureau has signed."""


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """String literals of a module that are no docstrings; the pieces of an f-string joined."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            pieces = [v for v in node.values if isinstance(v, ast.Constant)]
            silent |= {id(piece) for piece in pieces}
            yield node.lineno, "".join(str(piece.value) for piece in pieces)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.lineno, node.value


def test_texts_of_the_program() -> None:
    found = []
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(BOOKS):
            found += [(name, n, told) for n, text in literals(path) for told in unguarded(text)]
    for path in sorted((ROOT / "pipeline/delivery/assets").glob("*.typ")):
        found += [(path.name, 0, told) for told in unguarded(path.read_text(encoding="utf-8"))]
    assert found == []


def test_the_search_sees_the_texts() -> None:
    source = ROOT / "pipeline/delivery/brief_words.py"
    assert any(unguarded(text) for _, text in literals(source))
    seen = [t for p in (ROOT / "pipeline/rules/screening").glob("*.py") for _, t in literals(p)]
    assert any(WORDS.search(text) for text in seen)


def test_labels_of_code_tables() -> None:
    found = []
    for path in sorted((ROOT / "configs/codes").glob("*.csv")):
        if path.name not in SIGNED_TABLES:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                cells = [cell or "" for row in csv.DictReader(stream) for cell in row.values()]
            found += [(path.name, told) for cell in cells for told in unguarded(cell)]
    assert found == []


@pytest.mark.parametrize("key", ["title_zh", "reason"])
def test_titles_of_rules(key: str) -> None:
    found = []
    for path in sorted((ROOT / "configs/rules").rglob("*.yaml")):
        if path.parent.name not in SIGNED_RULES:
            text = str(YAML(typ="safe").load(path).get(key) or "")
            found += [(path.name, told) for told in unguarded(text)]
    assert found == []


def test_nothing_is_named_illegal() -> None:
    """DESIGN §1: no name of the program's own says it."""
    found = []
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [getattr(node, field, None) for field in ("id", "name", "arg", "attr")]
            found += [
                (path.name, n) for n in names if isinstance(n, str) and "illegal" in n.lower()
            ]
    assert found == []
