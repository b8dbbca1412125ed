"""Labelled images and the crops that training sees of them.

Labels are uint8 `(y, x)`: 0 unchanged, 1 changed, 255 not labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.change.learned.card import NetworkCard, Normalisation
from pipeline.change.learned.infer import InputScaling, fit_scaling, scaled
from pipeline.change.learned.params import TrainParams
from pipeline.grid import PixelWindow

NOT_LABELLED = 255
UINT8_FULL_SCALE = 255.0
SPLIT_BLOCK_PX = 512
"""Side of the pieces a large image is cut into before some of them are set aside: so no pixel of a
piece set aside is ever trained on."""
BLUR_SHARE = 0.15
SHIFT_SHARE = 0.3
SCALE_SHARE = 0.6
STATISTICS_PIXELS = 200_000


@dataclass(frozen=True, eq=False)
class LabelledScene:
    """One pair with its labels, both dates on one grid."""

    name: str
    group: str
    """What it must not be parted from when samples are set aside."""
    before: NDArray[Any]
    """`(band, y, x)`, the file's pixel type."""
    after: NDArray[Any]
    label: NDArray[np.uint8]
    sample: tuple[NDArray[Any], NDArray[Any]] | None = None
    """Pixels `(band, n)` of both dates over the whole image that it was cut from: detection
    normalises by the whole image, so training must too. None: by its own pixels."""
    seen: NDArray[np.bool_] | None = None
    """`(y, x)`: where both dates have data. None: everywhere."""
    is_divisible: bool = False
    """Whether pieces of it may be parted from one another: nobody named its group."""

    @property
    def shape(self) -> tuple[int, int]:
        """`(rows, cols)`."""
        return self.label.shape[0], self.label.shape[1]

    def cut(self, window: PixelWindow, group: str) -> LabelledScene:
        """A part of it, as a scene of its own."""
        rows, cols = slice(window.row0, window.row1), slice(window.col0, window.col1)
        name = f"{self.name}[{window.row0}:{window.row1},{window.col0}:{window.col1}]"
        return replace(
            self,
            name=name,
            group=group,
            before=self.before[:, rows, cols],
            after=self.after[:, rows, cols],
            label=self.label[rows, cols],
            seen=None if self.seen is None else self.seen[rows, cols],
        )


class SampleCount(NamedTuple):
    """How much there is to learn from."""

    objects: int
    """Connected pieces of changed pixels."""
    changed_pixels: int
    unchanged_pixels: int


def count_samples(scenes: Sequence[LabelledScene]) -> SampleCount:
    """What the labels of some scenes hold together."""
    objects = sum(int(ndimage.label(scene.label == 1)[1]) for scene in scenes)
    changed, unchanged = (
        sum(int(np.count_nonzero(scene.label == value)) for scene in scenes) for value in (1, 0)
    )
    return SampleCount(objects, changed, unchanged)


def cut_blocks(scene: LabelledScene) -> list[LabelledScene]:
    """A large scene in pieces of 512 px, each its own group; a small one, or one of a named group,
    as it is."""
    height, width = scene.shape
    if not scene.is_divisible or max(height, width) < 2 * SPLIT_BLOCK_PX:
        return [scene]
    pieces = []
    for row0 in range(0, height, SPLIT_BLOCK_PX):
        for col0 in range(0, width, SPLIT_BLOCK_PX):
            window = PixelWindow(row0, row0 + SPLIT_BLOCK_PX, col0, col0 + SPLIT_BLOCK_PX).clip(
                height, width
            )
            pieces.append(scene.cut(window, f"{scene.group}#{row0}_{col0}"))
    return pieces


def set_aside(
    scenes: Sequence[LabelledScene], share: float, seed: int
) -> tuple[list[LabelledScene], list[LabelledScene]]:
    """Scenes to keep and scenes set aside: whole groups, drawn until `share` of the scenes is
    reached; a scene with change counts twice."""
    weights: dict[str, int] = {}
    for scene in scenes:
        has_change = bool(np.any(scene.label == 1))
        weights[scene.group] = weights.get(scene.group, 0) + 1 + has_change
    names = sorted(weights)
    order = np.random.default_rng(seed).permutation(len(names))
    left, aside = share * sum(weights.values()), set()
    for name in (names[n] for n in order):
        # A large group that would take far more than what is left stays where it is.
        if 2 * left >= weights[name]:
            aside.add(name)
            left -= weights[name]
    kept = [scene for scene in scenes if scene.group not in aside]
    return kept, [scene for scene in scenes if scene.group in aside]


def normalisation_for(scenes: Sequence[LabelledScene]) -> Normalisation:
    """8-bit images have been stretched for the eye and are comparable as they are: mean and
    standard deviation of the training pixels. Other pixel types carry the light of their date and
    are normalised per pair."""
    if any(image.dtype != np.uint8 for s in scenes for image in (s.before, s.after)):
        return Normalisation(kind="median_mad")
    step = max(1, 2 * _n_seen(scenes) // STATISTICS_PIXELS)
    parts = [_every(step, s, image) for s in scenes for image in (s.before, s.after)]
    values = np.concatenate(parts, axis=1).astype(np.float64)
    if not values.size:
        values = np.zeros((scenes[0].before.shape[0], 1))
    values /= UINT8_FULL_SCALE
    spread = np.maximum(values.std(axis=1), 1 / UINT8_FULL_SCALE)
    return Normalisation(
        kind="fixed",
        full_scale=UINT8_FULL_SCALE,
        mean=tuple(round(float(v), 6) for v in values.mean(axis=1)),
        std=tuple(round(float(v), 6) for v in spread),
    )


def thinned(scenes: Sequence[LabelledScene]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every n-th seen pixel of each scene, `(band, n)` of both dates; where nothing was seen, one
    of zeros."""
    step = max(1, _n_seen(scenes) // STATISTICS_PIXELS)
    before = np.concatenate([_every(step, s, s.before) for s in scenes], axis=1)
    after = np.concatenate([_every(step, s, s.after) for s in scenes], axis=1)
    if not before.shape[1]:
        before, after = (np.zeros_like(d, shape=(len(d), 1)) for d in (before, after))
    return before, after


def _n_seen(scenes: Sequence[LabelledScene]) -> int:
    return sum(
        scene.label.size if scene.seen is None else int(np.count_nonzero(scene.seen))
        for scene in scenes
    )


def _every(step: int, scene: LabelledScene, image: NDArray[Any]) -> NDArray[Any]:
    """Every `step`-th seen pixel of an image of the scene, `(band, n)`."""
    flat = image.reshape(image.shape[0], -1)
    if scene.seen is None:
        return flat[:, ::step]
    return flat[:, np.flatnonzero(scene.seen)[::step]]


def scaling_of(card: NetworkCard, scene: LabelledScene) -> InputScaling:
    """The input scaling of one scene, by the image it belongs to."""
    return fit_scaling(card, *(scene.sample or thinned([scene])))


class Crop(NamedTuple):
    """One sample: network inputs `(band, y, x)` float32 and label `(y, x)` uint8."""

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    label: NDArray[np.uint8]


class Place(NamedTuple):
    """Where a crop lies: number of the scene, first row and column."""

    scene: int
    row0: int
    col0: int


def places(scenes: Sequence[LabelledScene], crop_px: int) -> list[Place]:
    """A lattice of crops over every scene; the last ones end at the scene's edge."""

    def starts(length: int) -> list[int]:
        last = max(length - crop_px, 0)
        return [*range(0, last, crop_px), last]

    return [
        Place(number, row0, col0)
        for number, scene in enumerate(scenes)
        for row0 in starts(scene.shape[0])
        for col0 in starts(scene.shape[1])
    ]


def read_crop(
    scene: LabelledScene, scaling: InputScaling, start: tuple[int, int], crop_px: int
) -> Crop:
    """A crop, mirrored and not labelled where it reaches beyond the scene."""
    rows, cols = (slice(at, at + crop_px) for at in start)
    label = scene.label[rows, cols]
    edge = [(0, crop_px - n) for n in label.shape]
    inputs = [
        scaled(image[:, rows, cols], scaling, date)
        for date, image in enumerate((scene.before, scene.after))
    ]
    if scene.seen is not None:
        for values in inputs:
            values[:, ~scene.seen[rows, cols]] = 0
    before, after = (np.pad(values, [(0, 0), *edge], mode="symmetric") for values in inputs)
    return Crop(before, after, np.pad(label, edge, constant_values=NOT_LABELLED))


def jittered(place: Place, scene: LabelledScene, crop_px: int, rng: np.random.Generator) -> Place:
    """The place moved by up to half a crop, inside the scene."""
    half = crop_px // 2
    row0, col0 = (
        int(np.clip(at + rng.integers(-half, half + 1), 0, max(length - crop_px, 0)))
        for at, length in zip((place.row0, place.col0), scene.shape, strict=True)
    )
    return Place(place.scene, row0, col0)


def augmented(crop: Crop, params: TrainParams, rng: np.random.Generator) -> Crop:
    """A sample as it could also have come: turned, mirrored, in other light, blurred, shifted."""
    turns, is_mirrored = int(rng.integers(4)), rng.random() < 0.5

    def turned(array: NDArray[Any]) -> NDArray[Any]:
        array = np.rot90(array, turns, axes=(-2, -1))
        return array[..., ::-1] if is_mirrored else array

    before, after, label = (turned(part) for part in crop)
    if rng.random() < SCALE_SHARE:
        before, after, label = _rescaled(Crop(before, after, label), params.scale_jitter, rng)
    before, after = (_other_light(image, params.colour_jitter, rng) for image in (before, after))
    if params.max_shift_px and rng.random() < SHIFT_SHARE:
        after = _shifted(after, params.max_shift_px, rng)
    if params.is_symmetric and rng.random() < 0.5:
        before, after = after, before
    return Crop(*(np.ascontiguousarray(part) for part in (before, after, label)))


def _rescaled(crop: Crop, strength: float, rng: np.random.Generator) -> Crop:
    """Turned by any angle and a little larger or smaller; mirrored and not labelled outside."""
    side = crop.label.shape[0]
    angle = float(rng.uniform(-180, 180))
    scale = float(np.exp(np.log1p(strength) * rng.uniform(-1, 1)))
    centre = ((side - 1) / 2, (side - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle, scale)

    def moved(image: NDArray[np.float32]) -> NDArray[np.float32]:
        bands = [
            cv2.warpAffine(
                np.ascontiguousarray(band),
                matrix,
                (side, side),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            )
            for band in image
        ]
        return np.stack(bands).astype(np.float32)

    label = cv2.warpAffine(
        np.ascontiguousarray(crop.label),
        matrix,
        (side, side),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=NOT_LABELLED,
    )
    return Crop(moved(crop.before), moved(crop.after), label.astype(np.uint8))


def _other_light(
    image: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Gain and offset of the date, and smaller ones of its bands; sometimes out of focus."""
    bands = (image.shape[0], 1, 1)
    gain = 1 + strength * rng.uniform(-1, 1) + 0.5 * strength * rng.uniform(-1, 1, bands)
    offset = 2 * strength * rng.uniform(-1, 1) + strength * rng.uniform(-1, 1, bands)
    result = (image * gain + offset).astype(np.float32)
    if rng.random() < BLUR_SHARE:
        result = ndimage.uniform_filter(result, (0, 3, 3)).astype(np.float32)
    return result


def _shifted(
    image: NDArray[np.float32], most: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    shift = rng.integers(-most, most + 1, 2)
    padded = np.pad(image, [(0, 0), (most, most), (most, most)], mode="symmetric")
    rows, cols = (
        slice(most + int(by), most + int(by) + n)
        for by, n in zip(shift, image.shape[1:], strict=True)
    )
    return padded[:, rows, cols]
