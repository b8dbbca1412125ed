"""What people changed in a result is put aside before the stage runs again."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.digests import DigestCache, digest_tree
from pipeline.io.kept import keep_edits
from pipeline.io.manifest import ManifestHead, StageManifest

HEAD = ManifestHead("package", {}, {}, None, "code")


def folders_of(root: Path) -> dict[str, Path]:
    return {"": root / "packages", "../delivery/": root / "delivery"}


def finished(root: Path) -> StageManifest:
    for name in ("packages/a/register.xlsx", "delivery/judgements.xlsx"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"as written: {name}", encoding="utf-8")
    return StageManifest(HEAD, {}, digest_tree(folders_of(root)))


def test_untouched_results_leave_nothing_behind(tmp_path: Path) -> None:
    manifest = finished(tmp_path)
    (tmp_path / "packages" / "manifest.json").write_text("{}", encoding="utf-8")
    assert (
        keep_edits(tmp_path / "kept", folders_of(tmp_path), manifest.outputs, DigestCache()) == ()
    )
    assert not (tmp_path / "kept").exists()


def test_filled_in_and_added_files_are_kept_each_time(tmp_path: Path) -> None:
    manifest = finished(tmp_path)
    form, note = tmp_path / "delivery" / "judgements.xlsx", tmp_path / "packages" / "a" / "note.txt"
    form.write_text("filled in by the bureau", encoding="utf-8")
    note.write_text("left by the analyst", encoding="utf-8")
    for number in ("001", "002"):
        (notice,) = keep_edits(
            tmp_path / "kept", folders_of(tmp_path), manifest.outputs, DigestCache()
        )
        place = tmp_path / "kept" / number
        assert notice.code == "N-KEPT-ASIDE"
        assert notice.where == str(place)
        kept = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        assert kept == {"delivery/judgements.xlsx", "a/note.txt"}
        copy = place / "delivery" / "judgements.xlsx"
        assert copy.read_text(encoding="utf-8") == "filled in by the bureau"
