"""Opening what came back: loose files as they lie, archives unpacked into a temporary folder.

Nothing of an archive decides where something is written: its files get numbers for names.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pipeline.errors import Finding
from pipeline.io.digests import file_sha256
from pipeline.io.returned.files import is_ignored, is_ignored_folder, returned_files
from pipeline.io.returned.kinds import ARCHIVE_SUFFIX, kind_of, safe_suffix
from pipeline.io.returned.problems import try_reading
from pipeline.io.returned.zip_members import (
    MIB,
    Limits,
    Member,
    open_zip,
    read_member,
    safe_members,
)
from pipeline.schema.returned import ReturnedFile

LIMITS = Limits(members=5_000, bytes=2048 * MIB)
MAX_UNPACKED_BYTES = 16 * 1024 * MIB
"""Of all archives of a run together."""
INSIDE = "!/"
"""Between the name of an archive and the name of a file inside."""


@contextmanager
def open_returns(folder: Path) -> Iterator[list[ReturnedFile]]:
    """All returned files, sorted by name; those from archives exist only inside the context.

    A file that is unsafe or unreadable comes with its `problem`; an unsafe archive as a whole.
    """
    loose = returned_files(folder)
    siblings = _siblings(list(loose))
    with tempfile.TemporaryDirectory(prefix="returns-") as temporary:
        files: list[ReturnedFile] = []
        budget = MAX_UNPACKED_BYTES
        for number, (name, path) in enumerate(loose.items()):
            if name.lower().endswith(ARCHIVE_SUFFIX):
                opened = _open_archive(name, path, Path(temporary) / f"{number:05d}", budget)
                budget -= sum(Path(file.path).stat().st_size for file in opened)
                files += opened
            else:
                files.append(_loose_file(name, path, siblings))
        yield sorted(files, key=lambda file: file.name)


def _loose_file(name: str, path: Path, siblings: dict[str, set[str]]) -> ReturnedFile:
    kind, problem = kind_of(name, siblings[_folder(name)])
    sha256 = _digest(name, path)
    if isinstance(sha256, Finding):
        return ReturnedFile(name, path, "", kind, problem or sha256)
    return ReturnedFile(name, path, sha256, kind, problem or _empty(name, path))


def _digest(name: str, path: Path) -> str | Finding:
    try:
        return file_sha256(path)
    except OSError as problem:
        value = problem.strerror or ""
        return Finding("E-RETURN-FILE", "文件打不开。", name, value, advice="检查文件的权限。")


def _empty(name: str, path: Path) -> Finding | None:
    if path.stat().st_size:
        return None
    advice = "多半是没有拷完；请重新拷贝后再交回。"
    return Finding("E-RETURN-FILE", "文件是空的。", name, "0 字节", advice=advice)


def _open_archive(name: str, path: Path, target: Path, budget: int) -> list[ReturnedFile]:
    sha256 = _digest(name, path)
    if isinstance(sha256, Finding):
        return [ReturnedFile(name, path, "", "unknown", sha256)]
    empty = _empty(name, path)
    if empty is not None:
        return [ReturnedFile(name, path, sha256, "unknown", empty)]
    limits = Limits(LIMITS.members, min(LIMITS.bytes, budget))
    unpacked = try_reading(lambda: _unpack(name, path, target, limits), name)
    if isinstance(unpacked, Finding):
        return [ReturnedFile(name, path, sha256, "unknown", unpacked)]
    if not unpacked:
        advice = "重新打包后再交回。"
        nothing = Finding("E-RETURN-FILE", "压缩包里没有文件。", name, advice=advice)
        return [ReturnedFile(name, path, sha256, "unknown", nothing)]
    return unpacked


def _unpack(name: str, path: Path, target: Path, limits: Limits) -> list[ReturnedFile]:
    with open_zip(path, name) as archive:
        members = [m for m in safe_members(archive, name, limits) if not _is_ignored(m.name)]
        siblings = _siblings([member.name for member in members])
        places = _places(members, target)
        files = []
        for member, place in zip(members, places, strict=True):
            shown = f"{name}{INSIDE}{member.name}"
            digest = hashlib.sha256()
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as sink:
                for piece in read_member(archive, member.info, shown):
                    digest.update(piece)
                    sink.write(piece)
            kind, problem = kind_of(shown, siblings[_folder(member.name)])
            if shown.lower().endswith(ARCHIVE_SUFFIX):
                problem = _nested(shown)
            problem = problem or _empty(shown, place)
            files.append(ReturnedFile(shown, place, digest.hexdigest(), kind, problem))
    return files


def _places(members: Sequence[Member], target: Path) -> list[Path]:
    """Where members are written: folders and stems numbered, so that sidecars stay together."""
    folders: dict[str, int] = {}
    stems: dict[tuple[str, str], int] = {}
    places = []
    for member in members:
        folder, name = _folder(member.name), PurePosixPath(member.name).name
        suffix = safe_suffix(name)
        # A name without an end keeps clear of one that really ends so.
        stem = (
            folder,
            name.lower().removesuffix(suffix) if name.lower().endswith(suffix) else f"{name}/",
        )
        place = target / f"{folders.setdefault(folder, len(folders)):05d}"
        places.append(place / f"{stems.setdefault(stem, len(stems)):05d}{suffix}")
    return places


def _siblings(names: Sequence[str]) -> dict[str, set[str]]:
    """Lower-case file names by folder."""
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(_folder(name), set()).add(PurePosixPath(name).name.lower())
    return found


def _folder(name: str) -> str:
    return PurePosixPath(name).parent.as_posix()


def _is_ignored(name: str) -> bool:
    *folders, base = PurePosixPath(name).parts
    return is_ignored(base) or any(is_ignored_folder(folder) for folder in folders)


def _nested(name: str) -> Finding:
    return Finding(
        "E-RETURN-REFUSED",
        "压缩包里还有压缩包，没有打开。",
        name,
        allowed="一层压缩包",
        advice="把里面的压缩包解开，重新打包后再交回。",
    )
