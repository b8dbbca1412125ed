"""Writing so that a process killed at any moment never leaves half a result under its final name.

Everything is written beside its final place under a hidden `.partial` name and then renamed. What a
killed run left behind is removed by the next one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import Finding, InputError


def replace_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, in one step as seen by any reader."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Write `content` in one step as seen by any reader."""
    with _write_errors(path), staging_file(path) as partial:
        partial.write_bytes(content)


@contextmanager
def staging_file(final: Path) -> Iterator[Path]:
    """A place to write one file; it becomes `final` when the block ends without an error.

    The suffix is kept because drivers choose the format by it.
    """
    partial = final.with_name(f".{final.stem}.partial{final.suffix}")
    with _write_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
    try:
        yield partial
        with _write_errors(final):
            _flush(partial)
            os.replace(partial, final)
            _flush_folder(final.parent)
    finally:
        _remove(partial)


@contextmanager
def staging_folder(final: Path) -> Iterator[Path]:
    """A fresh folder to write into; it replaces `final` when the block ends without an error.

    The old folder is moved away before the new one takes its name, so that no moment shows a folder
    with the old manifest and only some of the old files. Killed between the two renames there is
    no folder at all, and the stage is redone.
    """
    partial = final.with_name(f".{final.name}.partial")
    replaced = final.with_name(f".{final.name}.replaced")
    with _write_errors(final):
        _remove(partial)
        _remove(replaced)
        partial.mkdir(parents=True)
    try:
        yield partial
        with _write_errors(final):
            if final.exists():
                os.replace(final, replaced)
            os.replace(partial, final)
            _flush_folder(final.parent)
            _remove(replaced)
    finally:
        _remove(partial)


@contextmanager
def _write_errors(final: Path) -> Iterator[None]:
    """Say in the user's words why nothing could be written."""
    try:
        yield
    except OSError as problem:
        raise InputError(
            Finding(
                "E-FILE-WRITE",
                "文件或文件夹无法写入。",
                where=str(final),
                value=problem.strerror or str(problem),
                advice="关闭正在使用它的 QGIS、WPS 等程序，检查磁盘空间和写权限后重新运行。",
            )
        ) from problem


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Bring the bytes to the disk before the name points at them, against a power cut."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Bring a rename to the disk; Windows can not open folders and journals renames itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
