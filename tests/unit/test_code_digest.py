"""The code digest changes with the code a module uses, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io import code_digest as subject
from pipeline.io.code_digest import code_digest, imported_files

FILES = {
    "pkg/__init__.py": "",
    "pkg/errors.py": "CODE = 1\n",
    "pkg/core/__init__.py": "from . import base\n",
    "pkg/core/base.py": "from ..errors import CODE\n",
    "pkg/core/unused.py": "import pkg.stages.align\n",
    "pkg/typed.py": "",
    "pkg/stages/__init__.py": "",
    "pkg/stages/align.py": (
        "from __future__ import annotations\n"
        "import os.path\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    import pkg.typed\n"
        "def run():\n"
        "    from pkg import lazy as late\n"
        "    import pkg.core as core\n"
    ),
    "pkg/lazy.py": "",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package on disk, taken for ours."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    monkeypatch.setattr(subject, "_PACKAGE_FOLDER", tmp_path / "pkg")
    return tmp_path


def test_imports_are_followed(package: Path) -> None:
    assert set(imported_files("pkg.stages.align", package / "pkg")) == {
        "pkg",
        "pkg.stages",
        "pkg.stages.align",
        "pkg.lazy",
        "pkg.core",
        "pkg.core.base",
        "pkg.errors",
    }


def test_circular_imports_end(package: Path) -> None:
    (package / "pkg" / "errors.py").write_text("import pkg.core.base\n")
    assert "pkg.errors" in imported_files("pkg.core.base", package / "pkg")


@pytest.mark.parametrize(
    "name", ["pkg/errors.py", "pkg/core/__init__.py", "pkg/__init__.py", "uv.lock"]
)
def test_a_change_of_used_code_or_lock_changes_the_digest(package: Path, name: str) -> None:
    before = code_digest("pkg.stages.align")
    with (package / name).open("a") as stream:
        stream.write("# changed\n")
    assert code_digest("pkg.stages.align") != before


@pytest.mark.parametrize("name", ["pkg/core/unused.py", "pkg/typed.py", "other.py"])
def test_a_change_of_unused_code_does_not(package: Path, name: str) -> None:
    before = code_digest("pkg.stages.align")
    with (package / name).open("a") as stream:
        stream.write("# changed\n")
    assert code_digest("pkg.stages.align") == before


def test_line_ends_do_not_matter(package: Path) -> None:
    before = code_digest("pkg.stages.align")
    (package / "pkg" / "errors.py").write_bytes(b"CODE = 1\r\n")
    assert code_digest("pkg.stages.align") == before


def test_an_unknown_module_is_an_error(package: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pkg\.stages\.nothing"):
        code_digest("pkg.stages.nothing")


def test_our_own_modules_are_found() -> None:
    names = set(imported_files("pipeline.io.manifest", Path(subject.__file__).parents[1]))
    assert {"pipeline", "pipeline.io", "pipeline.errors", "pipeline.io.digests"} <= names
    assert not any(name.startswith("pipeline.stages") for name in names)
