"""No half result under a final name, wherever the process is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.io.atomic import replace_bytes, replace_text, staging_file, staging_folder

ROOT = Path(__file__).resolve().parents[2]

KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.io.atomic import replace_text, staging_folder

kill_at, folder = int(sys.argv[1]), Path(sys.argv[2])
EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
seen = 0

def die_at_event(event, args):
    global seen
    if event in EVENTS:
        seen += 1
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die_at_event)
with staging_folder(folder / "align") as partial:
    (partial / "before.tif").write_text("new")
    (partial / "sub").mkdir()
    (partial / "sub" / "after.tif").write_text("new")
replace_text(folder / "align" / "manifest.json", "new")
replace_text(folder / "summary.json", "new")
"""


def write_old(folder: Path) -> None:
    """What an earlier, finished run left."""
    (folder / "align" / "sub").mkdir(parents=True)
    for name in ("align/before.tif", "align/sub/after.tif", "align/manifest.json", "summary.json"):
        (folder / name).write_text("old")


def stage_state(folder: Path) -> tuple[str | None, ...]:
    """Contents of the stage's files; None where there is none."""
    paths = [folder / "align" / name for name in ("before.tif", "sub/after.tif", "manifest.json")]
    return tuple(path.read_text() if path.is_file() else None for path in paths)


def write_half_and_fail(path: Path) -> None:
    path.write_bytes(b"half")
    raise ZeroDivisionError


def run_killed_at(event: int, folder: Path) -> int:
    command = [sys.executable, "-c", KILLED, str(event), str(folder)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL 只在 POSIX 系统上有")
def test_killed_at_every_file_operation_then_run_again(tmp_path: Path) -> None:
    """Kill −9 at each open, rename, remove and mkdir in turn; then run undisturbed."""
    states = set()
    for event in range(1, 200):
        folder = tmp_path / str(event)
        write_old(folder)
        code = run_killed_at(event, folder)
        states.add(stage_state(folder))
        assert (folder / "summary.json").read_text() in {"old", "new"}
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert run_killed_at(0, folder) == 0
        assert stage_state(folder) == ("new", "new", "new")
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["align", "summary.json"]
    else:
        pytest.fail("the undisturbed run was never reached")
    assert states == {
        ("old", "old", "old"),
        (None, None, None),
        ("new", "new", None),
        ("new", "new", "new"),
    }


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    replace_text(tmp_path / "deep" / "a.txt", "县\n级\n")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == "县\n级\n".encode()


def test_a_reader_of_the_old_file_keeps_the_old_file(tmp_path: Path) -> None:
    """The new content comes as another file under the same name, never as a rewrite in place."""
    replace_text(tmp_path / "a.txt", "old")
    (tmp_path / "seen").hardlink_to(tmp_path / "a.txt")
    replace_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "seen").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_failing_block_leaves_the_old_file(tmp_path: Path) -> None:
    replace_bytes(tmp_path / "a.bin", b"old")
    with pytest.raises(ZeroDivisionError), staging_file(tmp_path / "a.bin") as partial:
        write_half_and_fail(partial)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_a_failing_block_leaves_the_old_folder(tmp_path: Path) -> None:
    write_old(tmp_path)
    with pytest.raises(ZeroDivisionError), staging_folder(tmp_path / "align") as partial:
        write_half_and_fail(partial / "before.tif")
    assert stage_state(tmp_path) == ("old", "old", "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["align", "summary.json"]


def test_files_of_the_old_folder_do_not_survive(tmp_path: Path) -> None:
    write_old(tmp_path)
    with staging_folder(tmp_path / "align") as partial:
        (partial / "before.tif").write_text("new")
    assert stage_state(tmp_path) == ("new", None, None)


def test_the_suffix_is_kept_while_writing(tmp_path: Path) -> None:
    with staging_file(tmp_path / "patches.gpkg") as partial:
        assert partial.suffix == ".gpkg"
        assert partial.name.startswith(".")
        partial.write_bytes(b"")


def test_a_place_that_can_not_be_written_is_told_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for write in (
        lambda: replace_text(tmp_path / "file" / "a.txt", ""),
        lambda: staging_folder(tmp_path / "file" / "align").__enter__(),
    ):
        with pytest.raises(InputError) as error:
            write()
        assert error.value.findings[0].code == "E-FILE-WRITE"
