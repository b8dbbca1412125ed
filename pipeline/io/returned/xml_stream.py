"""Reading XML that somebody else wrote as a stream of elements: no tree, no document types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from xml.parsers import expat

from pipeline.errors import Finding, InputError
from pipeline.schema.returned_text import short

MAX_DEPTH = 64
MAX_TEXT_CHARS = 1 << 20
"""Of one element."""

Start = Callable[[str, Mapping[str, str]], None]
"""Called with the local name and the attributes of an element that begins."""
End = Callable[[str, str], None]
"""Called with the local name of an element that ends, and its text behind its last child."""


class _RefusedError(Exception):
    """Carries what is wrong through the parser."""


def stream_xml(pieces: Iterable[bytes], start: Start | None, end: End | None, where: str) -> None:
    """Parse a document. `InputError` E-RETURN-REFUSED if it is unsafe, E-RETURN-FILE if broken."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    text: list[str] = []
    size = depth = 0

    def on_start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, size
        depth, size = depth + 1, 0
        if depth > MAX_DEPTH:
            raise _RefusedError("元素嵌套过深")
        text.clear()
        if start is not None:
            start(_local(name), attributes)

    def on_end(name: str) -> None:
        nonlocal depth, size
        depth, size = depth - 1, 0
        if end is not None:
            end(_local(name), "".join(text))
        text.clear()

    def on_text(piece: str) -> None:
        nonlocal size
        size += len(piece)
        if size > MAX_TEXT_CHARS:
            raise _RefusedError("单个元素的文字过长")
        text.append(piece)

    def on_doctype(*_: object) -> int:
        raise _RefusedError("含有文档类型声明（DOCTYPE、ENTITY）")

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = on_text
    parser.StartDoctypeDeclHandler = on_doctype
    parser.EntityDeclHandler = on_doctype
    parser.ExternalEntityRefHandler = on_doctype
    try:
        for piece in pieces:
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except _RefusedError as problem:
        raise refused_xml(where, str(problem)) from problem
    except (expat.ExpatError, ValueError, LookupError) as problem:
        raise InputError(
            Finding(
                "E-RETURN-FILE",
                "文件内部的 XML 写法有误，可能已损坏。",
                where,
                short(str(problem)),
                advice="用 WPS 或 Excel 打开后另存为 xlsx 再交回。",
            )
        ) from problem


def local_attribute(attributes: Mapping[str, str], name: str) -> str | None:
    """An attribute by its local name, whatever its namespace."""
    return next((value for key, value in attributes.items() if _local(key) == name), None)


def refused_xml(where: str, value: str) -> InputError:
    """E-RETURN-REFUSED for XML that no office program writes."""
    return InputError(
        Finding(
            "E-RETURN-REFUSED",
            "表格文件的内部结构不安全，正常的办公软件不会这样写。",
            where,
            value,
            "WPS 或 Excel 存出的普通 xlsx",
            "在交回单位核对来源；用 WPS 或 Excel 新建工作簿，把填写内容粘贴为数值后另存再交回。",
        )
    )


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
