"""Digest of the code behind a stage: the modules it imports, found by reading, never by importing.

Changing a module that a stage does not use must not make the stage run again.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PACKAGE_FOLDER = Path(__file__).resolve().parents[1]


def code_digest(module: str) -> str:
    """SHA-256 over a module, everything of ours that it imports, and the lock file if there is one.

    Line ends are made equal first: a checkout on Windows may have others.
    """
    digest = hashlib.sha256()
    for name, path in sorted(imported_files(module, _PACKAGE_FOLDER).items()):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).digest())
    lock = _PACKAGE_FOLDER.parent / "uv.lock"
    if lock.is_file():
        digest.update(hashlib.sha256(lock.read_bytes().replace(b"\r\n", b"\n")).digest())
    return digest.hexdigest()


def imported_files(module: str, package_folder: Path) -> dict[str, Path]:
    """A module and all it imports, transitively, inside the package: module name → file."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _module_file(name, package_folder)
        if path is None or name in found:
            continue
        found[name] = path
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting.extend(_imports(path.read_bytes(), package))
        # Importing a.b.c runs a/__init__ and a/b/__init__ too.
        waiting.append(name.rpartition(".")[0])
    if module not in found:
        raise ModuleNotFoundError(f"{module!r} is not a module below {package_folder.name!r}")
    return found


def _module_file(name: str, package_folder: Path) -> Path | None:
    """File of a module of the package; None for anything else."""
    first, *rest = name.split(".")
    if first != package_folder.name:
        return None
    base = package_folder.joinpath(*rest)
    for path in (base / "__init__.py", base.with_suffix(".py") if rest else None):
        if path is not None and path.is_file():
            return path
    return None


@cache
def _imports(source: bytes, package: str) -> tuple[str, ...]:
    """Every module name that code in `package` may import; `from a import b` gives `a` and `a.b`.

    Remembered by content: the stages of one command share most of their files.
    """
    result: list[str] = []
    for node in _executed(ast.parse(source)):
        if isinstance(node, ast.Import):
            result += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            result += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(result)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, which never run."""
    yield node
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        children: list[ast.AST] = list(node.orelse)
    elif isinstance(node, ast.expr):
        return
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _executed(child)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
