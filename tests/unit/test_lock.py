"""The lock file may name the public package index only."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_lock import foreign_sources, main

GOOD = """\
[[package]]
name = "affine"
version = "3.0.1"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://files.pythonhosted.org/packages/a/affine.tar.gz", hash = "sha256:0" }

[[package]]
name = "weipian"
version = "0.1.0"
source = { virtual = "." }
"""


def test_committed_lock_is_public() -> None:
    assert main() == 0


def test_public_sources_pass() -> None:
    assert foreign_sources(GOOD) == []


@pytest.mark.parametrize(
    "source",
    [
        "https://mirror.example.cn/simple",
        "http://pypi.org/simple",
        "https://pypi.org.example.cn/simple",
        "https://files.pythonhosted.org@example.cn/a.whl",
        "file:///srv/wheels",
        "/srv/wheels",
        "git+ssh://example.cn/affine.git",
    ],
)
def test_other_source_is_named_with_its_line(source: str) -> None:
    text = GOOD.replace("https://pypi.org/simple", source)
    assert foreign_sources(text) == [(4, source)]


def test_other_source_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "uv.lock"
    lock.write_text(GOOD.replace("files.pythonhosted.org", "mirror.example.cn"), encoding="utf-8")
    assert main(lock) == 1
    told = capsys.readouterr().err
    assert "uv.lock:5" in told
    assert "mirror.example.cn" in told
