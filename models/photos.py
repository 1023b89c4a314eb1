"""The photos, their classes and the split that every figure in CARD.md rests on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SPLIT_SEED = 0
HELD_CLASSES = 10
TRAIN_SHARE = 0.7


@dataclass(frozen=True)
class Photos:
    """A folder of photos whose leaf folders are the classes."""

    paths: list[Path]
    labels: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, index: int) -> Image.Image:
        return Image.open(self.paths[index]).convert("RGB")


def find_photos(root: Path) -> Photos:
    paths = sorted(root.rglob("*.jpg"), key=lambda p: p.relative_to(root).as_posix())
    if not paths:
        raise SystemExit(f"no *.jpg under {root}")
    folders = [p.parent.relative_to(root).as_posix() for p in paths]
    names = sorted(set(folders))
    labels = np.array([names.index(f) for f in folders])
    return Photos(paths, labels, names)


def stratified(labels: np.ndarray, seed: int, share: float = TRAIN_SHARE) -> np.ndarray:
    """True for the photos of the gallery: `share` of each class, at random."""
    rng = np.random.RandomState(seed)  # its stream is frozen across numpy versions
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        chosen[members[: round(share * len(members))]] = True
    return chosen


def held_classes(photos: Photos) -> np.ndarray:
    """The classes that the honest run never sees, drawn once, before any training."""
    rng = np.random.RandomState(SPLIT_SEED)
    return np.sort(rng.permutation(len(photos.names))[:HELD_CLASSES])


def honest_photos(photos: Photos) -> np.ndarray:
    """True for the photos the honest run learns from: 70 % of each class not held out."""
    seen = ~np.isin(photos.labels, held_classes(photos))
    return seen & stratified(photos.labels, SPLIT_SEED)
