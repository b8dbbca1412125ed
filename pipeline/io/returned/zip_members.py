"""Looking into a zip that somebody else made, before anything of it is unpacked.

Sizes are those of the directory: `zipfile` never gives out more of a member than is stated there.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipeline.errors import Finding, InputError
from pipeline.schema.returned_text import short

MIB = 1 << 20
CHUNK_BYTES = MIB
MAX_RATIO = 200
FREE_OF_RATIO_BYTES = MIB
"""Smaller members may be packed as tightly as they like."""

MAX_DIRECTORY_BYTES = 16 * MIB

_TAIL_BYTES = 22 + 0xFFFF + 20 + 56
"""In which the end of the directory is looked for: its record, comment, and those of zip64."""
_IN_ZIP64 = 0xFFFF_FFFF
_UTF8_FLAG, _ENCRYPTED_FLAGS = 0x800, 0x1 | 0x40
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others need memory that the file decides on."""
_DRIVE = re.compile(r"[A-Za-z]:")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f]")
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    OSError,
)
"""What `zipfile` raises for files that are damaged."""


@dataclass(frozen=True)
class Limits:
    """How much one archive may hold."""

    members: int
    bytes: int


@dataclass(frozen=True)
class Member:
    """One file of an archive."""

    name: str
    """Its path inside, with slashes; never absolute, never upwards."""
    info: zipfile.ZipInfo


@contextmanager
def open_zip(path: Path, where: str) -> Iterator[zipfile.ZipFile]:
    """The archive; `InputError` E-RETURN-FILE if it is none. `where` names it in findings."""
    try:
        _require_small_directory(path, where)
        archive = zipfile.ZipFile(path)
    except _BROKEN as problem:
        raise broken_zip(where, "打不开") from problem
    with archive:
        yield archive


def safe_members(archive: zipfile.ZipFile, where: str, limits: Limits) -> list[Member]:
    """The files inside, by name. Raises `InputError` E-RETURN-REFUSED if any of it is unsafe."""
    infos = archive.infolist()
    if len(infos) > limits.members:
        raise _refused(
            "压缩包里的文件太多。", where, f"{len(infos)} 个", f"不超过 {limits.members} 个"
        )
    members = [Member(_safe_name(info, where), info) for info in infos if not _is_folder(info)]
    for member in members:
        _require_safe(member, where)
    total = sum(member.info.file_size for member in members)
    if total > limits.bytes:
        raise _refused(
            "压缩包解开后太大。", where, _mib(total), f"解开后不超过 {_mib(limits.bytes)}"
        )
    members.sort(key=lambda member: member.name)
    names = sorted(member.name.casefold() for member in members)
    twice = next((a for a, b in pairwise(names) if a == b), None)
    if twice is not None:
        raise _refused("压缩包里有两个同名的文件。", where, short(twice), "文件名各不相同")
    return members


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Iterator[bytes]:
    """The bytes of a member, piece by piece; `InputError` E-RETURN-FILE if they are damaged."""
    try:
        with archive.open(info) as stream:
            while piece := stream.read(CHUNK_BYTES):
                yield piece
    except _BROKEN as problem:
        raise broken_zip(where, f"解不开：{short(info.filename)}") from problem


def broken_zip(where: str, value: str) -> InputError:
    """E-RETURN-FILE for an archive that can not be read."""
    return InputError(
        Finding(
            "E-RETURN-FILE",
            "压缩格式的文件已损坏，或传输不完整。",
            where,
            short(value),
            "完整的 zip 或 xlsx 文件",
            "请重新保存、重新打包后再交回。",
        )
    )


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.is_dir() or info.filename.endswith("\\")


def _safe_name(info: zipfile.ZipInfo, where: str) -> str:
    name = _decoded(info).replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or _DRIVE.match(name) or ".." in parts or _UNPRINTABLE.search(name):
        raise _refused(
            "压缩包里有指向别处的文件路径。", where, short(ascii(name)), "压缩包以内的相对路径"
        )
    plain = "/".join(part for part in parts if part not in ("", "."))
    if not plain:
        raise _refused("压缩包里有没有名字的文件。", where, short(ascii(name)), "有名字的文件")
    return plain


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: archives made on Chinese Windows hold GBK without saying so."""
    if info.flag_bits & _UTF8_FLAG:
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    for codec in ("utf-8", "gb18030"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return info.filename


def _require_safe(member: Member, where: str) -> None:
    info = member.info
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _refused("压缩包里有链接或特殊文件。", where, short(member.name), "普通文件")
    if info.flag_bits & _ENCRYPTED_FLAGS:
        raise _refused("压缩包有密码。", where, short(member.name), "没有密码的压缩包")
    if info.compress_type not in _METHODS:
        raise InputError(
            Finding(
                "E-RETURN-FILE",
                "压缩包用了不支持的压缩方式。",
                where,
                short(member.name),
                "普通的 zip（deflate）",
                "用 Windows 自带的“压缩文件夹”或 WPS 重新打包成 zip。",
            )
        )
    ratio_limit = max(info.compress_size, 1) * MAX_RATIO
    if info.file_size > FREE_OF_RATIO_BYTES and info.file_size > ratio_limit:
        value = f"{short(member.name)}：{_mib(info.file_size)}"
        what = "压缩包里有压缩得异常紧的文件，解开会占满磁盘。"
        raise _refused(what, where, value, f"压缩比不超过 {MAX_RATIO}")


def _require_small_directory(path: Path, where: str) -> None:
    """`zipfile` holds the whole directory in memory, so its size is looked at first."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL_BYTES))
        tail = stream.read()
    sizes = [
        int.from_bytes(tail[found.start() + offset :][:width], "little")
        for mark, offset, width in ((b"PK\x05\x06", 12, 4), (b"PK\x06\x06", 40, 8))
        for found in re.finditer(re.escape(mark), tail)
    ]
    plain = [found for found in sizes if found != _IN_ZIP64]
    if max(plain, default=0) > MAX_DIRECTORY_BYTES:
        raise _refused(
            "压缩包的目录太大。", where, _mib(max(plain)), f"不超过 {_mib(MAX_DIRECTORY_BYTES)}"
        )


def _refused(what: str, where: str, value: str, allowed: str) -> InputError:
    advice = "在交回单位核对来源；删掉多余的内容，重新打包后再交回。"
    return InputError(Finding("E-RETURN-REFUSED", what, where, value, allowed, advice))


def _mib(size: int) -> str:
    return f"{-(-size // MIB)} MB"
