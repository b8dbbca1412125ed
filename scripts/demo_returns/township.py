"""One township: what it was sent, what it found, where its answer goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .county import Patch
from .played import Played
from .story import Values, finding


@dataclass
class Township:
    """One township, what it was sent, and where its answer goes."""

    code: str
    package: Path
    patches: list[Patch]
    """Sent ones, by id."""
    strangers: list[Patch]
    """Sent to others."""
    victims: list[Patch]
    """Its patches, those first whose case others show as well."""
    played: Played
    surveyed: frozenset[str]

    @property
    def place(self) -> str:
        """Folder of the returns."""
        return self.package.name

    def findings(self, *, is_late: bool = False) -> dict[str, Values]:
        """What it found, by patch."""
        return {
            patch.patch_id: finding(patch, is_late=is_late)
            | ({"measured_area_m2": None} if patch.patch_id in self.surveyed else {})
            for patch in self.patches
        }

    def path(self, name: str) -> Path:
        """Where a file of the returns is written."""
        path = self.played.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
