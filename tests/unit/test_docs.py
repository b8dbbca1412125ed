"""What the manuals name exists, and what users may meet is in the manual."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.cli.app import app
from pipeline.errors import CODES

ROOT = Path(__file__).resolve().parents[2]
MANUALS = ("README.md", "README.zh-CN.md")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MANUALS)
def test_every_named_make_target_exists(name: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", read(name)))
    assert {"run", "test"} <= named
    assert named - TARGETS == set()


@pytest.mark.parametrize("name", [*MANUALS, "Makefile"])
def test_every_named_command_exists(name: str) -> None:
    commands = {command.name for command in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    named = set(re.findall(r"(?:python|\$\(PY\)) -m pipeline ([a-z]+)", read(name)))
    assert named
    assert named - commands == set()


def test_every_command_is_in_the_chinese_manual() -> None:
    manual = read("README.zh-CN.md")
    for command in app.registered_commands:
        assert f"python -m pipeline {command.name}" in manual


def test_every_target_is_explained_and_phony() -> None:
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## \S", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert explained == TARGETS
    assert set(phony.group(1).replace("\\", " ").split()) == TARGETS


def test_error_table_lists_exactly_the_codes_with_their_meaning() -> None:
    rows = re.findall(
        r"^\| `([EN]-[A-Z-]+)` \| ([^|]+) \| [^|]+ \|$", read("README.zh-CN.md"), re.M
    )
    assert dict(rows) == CODES
    assert len(rows) == len(CODES)


@pytest.mark.parametrize("name", MANUALS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", read(name)):
        assert (ROOT / target).is_file(), target
