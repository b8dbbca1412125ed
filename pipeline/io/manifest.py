"""The manifest of a stage: what went in, what came out, so that a hash decides what to run.

It holds no time, host or absolute path, so the same work gives the same bytes anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Finding, InputError, Severity
from pipeline.io.atomic import replace_text
from pipeline.io.digests import (
    DigestCache,
    FileDigest,
    compute_digest,
    digest_files,
    named_files,
)
from pipeline.io.runs import MANIFEST_NAME

SCHEMA_VERSION = 1

SIDECAR_SUFFIXES = ("-wal", "-shm", "-journal", ".aux.xml")
"""What QGIS leaves beside a file it shows. Harmless: journals are read along by the digest, and our
raster readers ignore .aux.xml."""

_ABSENT = object()


@dataclass(frozen=True)
class InputRecord:
    """One input of a stage."""

    digest: str
    size: int
    """Bytes; for information only, as a GeoPackage may change size but not content."""


@dataclass(frozen=True)
class ManifestHead:
    """Everything that decides the result of a stage; equal heads mean nothing to do."""

    stage: str
    inputs: Mapping[str, InputRecord]
    """By logical name, never by path."""
    settings: Mapping[str, Any]
    """The settings this stage uses, as plain JSON values."""
    rules: str | None
    """Digest of the rule set; None for stages that use no rules."""
    code: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class StageManifest:
    """A finished stage."""

    head: ManifestHead
    counts: Mapping[str, int | float | str]
    outputs: Mapping[str, FileDigest]
    """By path relative to the stage folder."""
    notices: tuple[Finding, ...] = ()
    """What the stage said beside its result; repeated when the result is used again."""


def record_inputs(inputs: Mapping[str, Path], cache: DigestCache) -> dict[str, InputRecord]:
    """Digest and size of every input, by logical name; all missing files are reported at once."""
    return {
        name: InputRecord(found.digest, found.size)
        for name, found in digest_files(inputs, cache).items()
    }


def write_manifest(path: Path, manifest: StageManifest) -> None:
    """Write the manifest in one step; it must be the last file a stage writes."""
    document = {
        **asdict(manifest.head),
        "counts": dict(manifest.counts),
        "outputs": {name: asdict(output) for name, output in manifest.outputs.items()},
        "notices": [asdict(notice) for notice in manifest.notices],
    }
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    replace_text(path, text + "\n")


def read_manifest(path: Path) -> StageManifest | None:
    """The manifest, or None if there is none that can be used: then the stage is not finished."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        head = ManifestHead(
            stage=str(document["stage"]),
            inputs={name: InputRecord(**found) for name, found in document["inputs"].items()},
            settings=dict(document["settings"]),
            rules=document["rules"],
            code=str(document["code"]),
            schema_version=int(document["schema_version"]),
        )
        outputs = {name: FileDigest(**found) for name, found in document["outputs"].items()}
        notices = tuple(
            Finding(**{**found, "severity": Severity(found["severity"])})
            for found in document["notices"]
        )
        return StageManifest(head, dict(document["counts"]), outputs, notices)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def differences(expected: ManifestHead, found: StageManifest) -> list[str]:
    """Why a finished stage no longer fits, one Chinese sentence per reason; empty if it does."""
    old = found.head
    if (expected.stage, expected.schema_version) != (old.stage, old.schema_version):
        return [f"清单属于另一阶段或另一版本（{old.stage}，版本 {old.schema_version}）。"]
    reasons = _input_differences(expected.inputs, old.inputs)
    # Through JSON and back, so that tuples and numbers compare as they were stored.
    wanted = dict(_flatten(json.loads(json.dumps(dict(expected.settings)))))
    stored = dict(_flatten(old.settings))
    for key in sorted(wanted.keys() | stored.keys()):
        before, after = stored.get(key, _ABSENT), wanted.get(key, _ABSENT)
        if _shown(before) != _shown(after):
            reasons.append(f"设置 {key} 改变：{_shown(before)} → {_shown(after)}。")
    if expected.rules != old.rules:
        reasons.append("规则集改变。")
    if expected.code != old.code:
        reasons.append("程序代码或依赖版本改变。")
    return reasons


def verify_outputs(
    folders: Mapping[str, Path], manifest: StageManifest, cache: DigestCache | None = None
) -> list[Finding]:
    """Compare a stage's folders with its manifest; without a cache every byte is read again.

    `folders` by the prefix of their files' names; the stage's own has the prefix "".
    """
    present = named_files(folders)
    present.pop(MANIFEST_NAME, None)
    findings: list[Finding] = []
    for name, recorded in sorted(manifest.outputs.items()):
        path = present.pop(name, None)
        findings += _verify_file(path or folders[""] / name, path is not None, recorded, cache)
    findings += [_verify_extra(path, name, manifest) for name, path in sorted(present.items())]
    return findings


def _input_differences(
    expected: Mapping[str, InputRecord], old: Mapping[str, InputRecord]
) -> list[str]:
    reasons = []
    for name in sorted(expected.keys() | old.keys()):
        if name not in old:
            reasons.append(f"新增输入 {name}。")
        elif name not in expected:
            reasons.append(f"不再使用输入 {name}。")
        elif expected[name].digest != old[name].digest:
            reasons.append(f"输入 {name} 的内容改变。")
    return reasons


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted key; an empty section counts as a value, so that it can appear or go."""
    if isinstance(value, Mapping) and (value or not prefix):
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "（无）"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _verify_file(
    path: Path, is_present: bool, recorded: FileDigest, cache: DigestCache | None
) -> list[Finding]:
    if not is_present:
        return [_changed("清单上的文件不见了。", path)]
    try:
        found = compute_digest(path) if cache is None else cache.digest(path)
    except InputError as problem:
        return [_changed("文件已无法读取。", path), *problem.findings]
    if found.digest != recorded.digest:
        return [_changed("文件内容与写出时不同。", path)]
    if found.file_digest != recorded.file_digest:
        return [_opened("文件被其他程序打开过，字节有变，内容相同。", path, "")]
    return []


def _verify_extra(path: Path, name: str, manifest: StageManifest) -> Finding:
    if any(
        name.endswith(suffix) and name.removesuffix(suffix) in manifest.outputs
        for suffix in SIDECAR_SUFFIXES
    ):
        return _opened("其他程序打开成果后留下的附属文件。", path, "可以删除，不影响结果。")
    return _changed("多出一个清单上没有的文件。", path)


def _changed(what: str, path: Path) -> Finding:
    advice = "不要手工改动阶段成果；删除该阶段文件夹后重新运行，或从备份恢复。"
    return Finding("E-VERIFY-CONTENT", what, str(path), advice=advice)


def _opened(what: str, path: Path, advice: str) -> Finding:
    return Finding("N-VERIFY-OPENED", what, str(path), advice=advice, severity=Severity.NOTICE)
