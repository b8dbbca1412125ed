"""Where the files of a run lie. File names are written here and nowhere else."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

MANIFEST_NAME = "manifest.json"
"""Name of the manifest inside every stage folder."""

LOG_NAME = "run.log"
WORK_FOLDER = "work"
"""Where `compare` keeps its stages inside the output folder."""
WORK_MARK = ".compare"
"""Written into the work folder before anything else: it tells that the folder is ours."""
FOLDERS = {"package": "packages"}
"""Stages whose folder is called otherwise."""
PUBLISHED = (
    "score.tif",
    "change.tif",
    "kind.tif",
    "patches.gpkg",
    "quicklook.png",
    "summary.json",
)
"""What `compare` gives out (DESIGN §10)."""
MAX_NAME_CHARS = 20
_NO_FILE_NAME = frozenset('<>:"/\\|?*!')
"""Not allowed in names on Windows, or separators somewhere: GDAL's readers split at “!”."""


@dataclass(frozen=True)
class RunPaths:
    """The files of one run; every property is a path, nothing is opened or created."""

    root: Path
    """Folder of the run."""
    staged: Mapping[str, Path] = field(default_factory=dict)
    """Folders being written, and the temporary ones that stand for them."""

    @classmethod
    def for_run(cls, data_dir: Path, run: str) -> RunPaths:
        """Paths of the run named `run` below the data folder."""
        return cls(data_dir / "runs" / run)

    def stage_dir(self, stage: str) -> Path:
        """Folder that a stage owns and replaces as a whole."""
        return self.staged.get(stage, self.root / FOLDERS.get(stage, stage))

    def writing(self, folders: Mapping[str, Path]) -> RunPaths:
        """The same paths while folders are written elsewhere; the others stay where they are."""
        return replace(self, staged=folders)

    def kept(self, stage: str) -> Path:
        """Where results that people had filled in are kept when the stage runs again."""
        return self.root / "kept" / FOLDERS.get(stage, stage)

    def manifest(self, stage: str) -> Path:
        """Manifest of a stage, written last."""
        return self.stage_dir(stage) / MANIFEST_NAME

    @property
    def align_before(self) -> Path:
        """Before image on the common grid."""
        return self.stage_dir("align") / "before.tif"

    @property
    def align_after(self) -> Path:
        """After image on the common grid."""
        return self.stage_dir("align") / "after.tif"

    @property
    def align_valid(self) -> Path:
        """Validity of every pixel (0 ok, 1 nodata, 2 cloud, 3 shadow, 4 saturated, 5 failed)."""
        return self.stage_dir("align") / "valid.tif"

    @property
    def align_valid_before(self) -> Path:
        """What the before image alone hides, in the codes of `align_valid`."""
        return self.stage_dir("align") / "valid_before.tif"

    @property
    def align_valid_after(self) -> Path:
        """What the after image alone hides, in the codes of `align_valid`."""
        return self.stage_dir("align") / "valid_after.tif"

    @property
    def align_report(self) -> Path:
        """One page for people: registration, radiometry, what was seen."""
        return self.stage_dir("align") / "report.html"

    @property
    def align_tie_points(self) -> Path:
        """Tie points with their measured shifts."""
        return self.stage_dir("align") / "tie_points.gpkg"

    @property
    def align_fit(self) -> Path:
        """Report of the registration fit."""
        return self.stage_dir("align") / "fit.json"

    @property
    def detect_score(self) -> Path:
        """Probability of change × 10,000, uint16."""
        return self.stage_dir("detect") / "score.tif"

    @property
    def detect_kind(self) -> Path:
        """Kind of change per pixel."""
        return self.stage_dir("detect") / "kind.tif"

    @property
    def detect_traces(self) -> Path:
        """What kinds and construction are told by, per pixel: see `change.construction`."""
        return self.stage_dir("detect") / "traces.tif"

    @property
    def detect_preview(self) -> Path:
        """Thinned pixels of both dates, for pictures."""
        return self.stage_dir("detect") / "preview.npy"

    @property
    def detect_summary(self) -> Path:
        """Statistics and thresholds used."""
        return self.stage_dir("detect") / "summary.json"

    @property
    def extract_patches(self) -> Path:
        """Patches and dropped objects."""
        return self.stage_dir("extract") / "patches.gpkg"

    @property
    def extract_change(self) -> Path:
        """1 inside a kept patch, 0 not, 255 unobserved."""
        return self.stage_dir("extract") / "change.tif"

    @property
    def extract_summary(self) -> Path:
        """Counts of kept and dropped objects, observed share."""
        return self.stage_dir("extract") / "summary.json"

    @property
    def intake_layers(self) -> Path:
        """Normalised reference layers."""
        return self.stage_dir("intake") / "layers.gpkg"

    @property
    def intake_findings(self) -> Path:
        """Every problem of the inputs with its place."""
        return self.stage_dir("intake") / "findings.gpkg"

    @property
    def intake_findings_csv(self) -> Path:
        """The same problems as a table for Excel."""
        return self.stage_dir("intake") / "findings.csv"

    @property
    def intake_report(self) -> Path:
        """One page for people: what came in, in which state."""
        return self.stage_dir("intake") / "report.html"

    @property
    def overlay(self) -> Path:
        """Patches with areas by layer, and the parts they are made of."""
        return self.stage_dir("overlay") / "overlay.gpkg"

    @property
    def screened(self) -> Path:
        """Screened patches and the reasons."""
        return self.stage_dir("screen") / "screened.gpkg"

    @property
    def packages(self) -> Path:
        """Folder of the townships' verification packages."""
        return self.stage_dir("package")

    def package(self, township_code: str, township_name: str) -> Path:
        """Folder of one township's package; the zip lies beside it under the same name.

        The name is delivered text: it can not leave the folder, and Windows can unpack it.
        """
        return self.packages / f"{_plain_name(township_code)}_{_plain_name(township_name)}"

    @property
    def delivery(self) -> Path:
        """Folder of what the bureau keeps: county file, project, empty forms."""
        return self.stage_dir("delivery")

    @property
    def returns(self) -> Path:
        """Folder into which townships' and the bureau's returns are put; never written."""
        return self.root.parent.parent / "returns" / self.root.name

    def register(self, county_code: str) -> Path:
        """The county's register (图斑台账), common to all its runs."""
        return self.root.parent.parent / "register" / f"{county_code}.gpkg"

    def id_book(self, county_code: str) -> Path:
        """The county's book of patch numbers (图斑编号簿), common to all its runs."""
        return self.root.parent.parent / "register" / f"{county_code}_ids.sqlite"

    @property
    def receipts(self) -> Path:
        """One line per returned record: accepted or rejected, and why."""
        return self.stage_dir("collect") / "receipts.csv"

    @property
    def missing_returns(self) -> Path:
        """Patches sent out that nobody has answered yet."""
        return self.stage_dir("collect") / "missing.csv"

    @property
    def decisions_form(self) -> Path:
        """Form on which the bureau decides between contradicting returns."""
        return self.stage_dir("collect") / "decisions.xlsx"

    @property
    def collect_summary(self) -> Path:
        """Counts of received, accepted and rejected records by file."""
        return self.stage_dir("collect") / "summary.json"

    @property
    def snapshot(self) -> Path:
        """The register as this run may see it: its own patches and those of earlier runs."""
        return self.stage_dir("collect") / "snapshot.gpkg"

    def table(self, name: str) -> Path:
        """One table of the books as CSV; `name` such as T05_quota."""
        return self.stage_dir("statistics") / f"{name}.csv"

    @property
    def tables(self) -> Path:
        """All tables of the books, for programs."""
        return self.stage_dir("statistics") / "tables.json"

    @property
    def tables_workbook(self) -> Path:
        """All tables of the books, for people."""
        return self.stage_dir("statistics") / "statistics.xlsx"

    @property
    def books(self) -> Path:
        """Patches, parts, townships and county inputs from which every table adds up."""
        return self.stage_dir("statistics") / "county.gpkg"

    @property
    def trace(self) -> Path:
        """What every figure of the tables is made of."""
        return self.stage_dir("statistics") / "trace.gpkg"

    @property
    def brief(self) -> Path:
        """Folder of the leaders' brief: brief.docx, brief.pdf, brief.html."""
        return self.stage_dir("report")

    @property
    def audit(self) -> Path:
        """Folder of the omission audit: sample, cards, forms that people fill in, result."""
        return self.root / "audit"

    @property
    def learn(self) -> Path:
        """Folder of what could be learned from the run's returns: proposal and its effect."""
        return self.root / "learn"

    @property
    def seal(self) -> Path:
        """What was sealed, kept outside the register; there while the run is sealed."""
        return self.root / "seal.json"

    @property
    def log(self) -> Path:
        """Log of the run: the only place for times, host and absolute paths."""
        return self.root / LOG_NAME

    @property
    def digest_cache(self) -> Path:
        """Cache of file digests; may be deleted at any time."""
        return self.root / ".digests.json"


def _plain_name(text: str) -> str:
    """A text as part of a file name: NFC, no separators, nothing invisible, no dot at the end."""
    normal = unicodedata.normalize("NFC", text)
    visible = "".join(c for c in normal if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    replaced = "".join("_" if c in _NO_FILE_NAME else c for c in visible)
    return replaced.strip()[:MAX_NAME_CHARS].rstrip(". ")
