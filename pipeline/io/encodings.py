"""In which encoding the text of a delivered file is: stated where it is stated, else found out.

Order (LIBRARIES, Chinese facts): the mapping, the `.cpg`, the language byte of the dbf, then a
strict reading of all bytes as UTF-8 against GB18030. A statement that the bytes contradict is not
followed.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

LANGUAGE_IDS = {0x4D: "gb18030", 0x7A: "gb18030", 0x4F: "cp950", 0x78: "cp950"}
"""Language bytes (LDID) of a dbf that are evidence; 0x57 and 0x03 are put there by default."""

CHINESE = "gb18030"
"""Reads GBK and GB2312 files too."""

_GB_FAMILY = ("gbk", "gb2312", "cp936", "936", "ms936", "gb18030", "hz")


@dataclass(frozen=True)
class Encoding:
    """How bytes are to be read."""

    codec: str
    is_sound: bool = True
    """False if no encoding reads all bytes; they are then read with replacement characters."""
    note: str = ""
    """What had to be guessed or overruled, one Chinese sentence; empty if nothing."""
    is_overruled: bool = False
    """Whether an encoding that is stated somewhere was not followed."""

    @property
    def label(self) -> str:
        """The name shown to people."""
        return {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", CHINESE: "GBK/GB18030"}.get(
            self.codec, self.codec.upper()
        )

    def decode(self, raw: bytes) -> str:
        """Text of one cell; what can not be read becomes U+FFFD."""
        return raw.decode(self.codec, "replace")


def codec_of(name: str) -> str | None:
    """Python's codec for the name of an encoding as people and `.cpg` files write it."""
    word = name.strip().strip("\0").casefold().replace("_", "-").removeprefix("ldid/")
    if word.replace("-", "") in _GB_FAMILY or word.removeprefix("cp") in _GB_FAMILY:
        return CHINESE
    page = re.search(r"\d{3,5}$", word)
    candidates = (word, word.replace("-", ""), f"cp{page.group()}" if page else word)
    for candidate in candidates:
        try:
            found = codecs.lookup(candidate)
        except (LookupError, ValueError):
            continue
        # utf-16 and the like can not be cut into dbf cells, hex and rot13 are no encodings.
        is_text = getattr(found, "_is_text_encoding", True)
        return (
            found.name if is_text and "\0" not in "a".encode(found.name).decode("latin1") else None
        )
    return None


def choose_encoding(
    cells: Sequence[bytes], stated: str | None, cpg: str | None, language_id: int = 0
) -> Encoding:
    """The encoding of a file's text cells (only those with non-ASCII bytes matter).

    A cell may end inside a character, because dbf fields are cut at their width.
    """
    claims = (("映射", stated), ("cpg 文件", cpg), ("dbf 语言标志", LANGUAGE_IDS.get(language_id)))
    overruled = ""
    for source, name in claims:
        codec = codec_of(name) if name else None
        if name and codec is None:
            overruled += f"{source}写的编码“{name.strip()[:20]}”不能识别，"
        elif codec and reads_all(cells, codec):
            note = f"{overruled}按{source}的 {Encoding(codec).label} 读取。" if overruled else ""
            return Encoding(codec, note=note, is_overruled=bool(overruled))
        elif codec:
            overruled += f"{source}写的编码 {Encoding(codec).label} 与内容不符，"
    if not cells:
        note = overruled and f"{overruled}内容全是英文和数字，不受影响。"
        return Encoding("utf-8", note=note, is_overruled=bool(overruled))
    return _guess(cells, overruled)


def _guess(cells: Sequence[bytes], overruled: str) -> Encoding:
    lead, was_stated = overruled or "文件没有写明文字编码，", bool(overruled)
    readable = [codec for codec in ("utf-8", CHINESE) if reads_all(cells, codec)]
    if len(readable) == 2 and not _looks_chinese(cells, "utf-8"):
        readable.reverse()
    if readable:
        chosen = Encoding(readable[0])
        note = f"{lead}按全部内容判断为 {chosen.label}。"
        return Encoding(chosen.codec, note=note, is_overruled=was_stated)
    return Encoding(CHINESE, False, f"{lead}按 UTF-8 和 GBK 都读不通。", was_stated)


def reads_all(cells: Sequence[bytes], codec: str) -> bool:
    """Whether every cell is text in this encoding, up to a character cut at the cell's end."""
    return all(_reads(cell, codec) for cell in cells)


def first_unreadable(cells: Sequence[bytes], codec: str) -> int | None:
    """Position of the first cell that is no text in this encoding."""
    return next((n for n, cell in enumerate(cells) if not _reads(cell, codec)), None)


def decode_lenient(raw: bytes, codec: str) -> str:
    """Text without a character that was cut at the end."""
    decoder = codecs.getincrementaldecoder(codec)(errors="replace")
    return decoder.decode(raw)


def _reads(cell: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)(errors="strict").decode(cell)
    except UnicodeDecodeError:
        return False
    return True


def _looks_chinese(cells: Sequence[bytes], codec: str) -> bool:
    """Whether most characters beyond ASCII are Chinese: short GBK text can be valid UTF-8."""
    text = "".join(decode_lenient(cell, codec) for cell in cells[:10_000])
    foreign = [c for c in text if c > "\x7f"]
    chinese = sum("\u3000" <= c <= "\u9fff" or "\uff00" <= c <= "\uffef" for c in foreign)
    return 2 * chinese >= len(foreign)
