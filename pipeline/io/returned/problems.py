"""What went wrong while a returned file was read, as a finding about that file."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pipeline.errors import Finding, InputError
from pipeline.schema.returned_text import short

Read = TypeVar("Read")

_OUR_OWN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
"""The machine's troubles, not the file's."""

_ADVICE = "在电脑上打开核对；能打开的另存一份再交回，打不开的请重新导出。"


def try_reading(read: Callable[[], Read], where: str) -> Read | Finding:
    """What `read` gives, or the finding that says why it can not.

    Every exception ends here: a returned file may be made to break any reader, and one bad file
    must not keep the others from being collected.
    """
    try:
        return read()
    except InputError as problem:
        return as_return_finding(problem.findings[0], where)
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno in _OUR_OWN:
            raise
        return Finding(
            "E-RETURN-FILE",
            "文件内容异常，无法读取。",
            where,
            type(problem).__name__,
            advice=_ADVICE,
        )


def as_return_finding(finding: Finding, where: str) -> Finding:
    """A finding of one of our readers, said about the returned file of that name."""
    if finding.code.startswith("E-RETURN-"):
        return finding if finding.where.startswith(where) else replace(finding, where=where)
    code = "E-RETURN-REFUSED" if finding.code == "E-FILE-REFUSED" else "E-RETURN-FILE"
    return replace(
        finding,
        code=code,
        where=where,
        value="" if "/" in finding.value else short(finding.value),
        advice=finding.advice or _ADVICE,
    )
