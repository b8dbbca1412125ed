"""Results that people changed are put aside before their stage replaces them: nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from pipeline.errors import Finding, Severity
from pipeline.io.digests import DigestCache, FileDigest, named_files
from pipeline.io.manifest import SIDECAR_SUFFIXES
from pipeline.io.runs import MANIFEST_NAME


def keep_edits(
    target: Path, folders: Mapping[str, Path], written: Mapping[str, FileDigest], cache: DigestCache
) -> tuple[Finding, ...]:
    """Copy every file whose content is not what the stage wrote into a new folder in `target`.

    `written`: the outputs by the manifest; where none tells, those that are about to replace the
    files. Files the stage did not write count too, except what other programs leave beside.
    """
    edited = {
        name: path
        for name, path in named_files(folders).items()
        if name != MANIFEST_NAME and not name.endswith(SIDECAR_SUFFIXES)
        if name not in written or cache.digest(path).digest != written[name].digest
    }
    if not edited:
        return ()
    place = next(folder for number in count(1) if not (folder := target / f"{number:03d}").exists())
    for name, path in edited.items():
        copy = place / name.removeprefix("../")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    what = f"有 {len(edited)} 个成果文件在写出后被改动过，重新生成前已另存。"
    advice = "需要的内容从另存的文件里取；回收的核查结果请放到 data/returns/ 下。"
    notice = Finding(
        "N-KEPT-ASIDE", what, str(place), "、".join(sorted(edited)[:5]), "", advice, Severity.NOTICE
    )
    return (notice,)
