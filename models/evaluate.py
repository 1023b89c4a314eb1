#!/usr/bin/env python3
"""Nearest-neighbour accuracy of any embedding model on the grocery photos.

    evaluate.py models/s3embed_default.onnx --bounds models/bounds.json
    evaluate.py STUDENT.onnx TEACHER.onnx --histogram --speed

Gallery: 70 % of every class.  A query is a photo of the other 30 %; its class is
the majority of its 5 nearest by cosine.  The split is that of the honest run: the
40 seen classes keep theirs, the 10 held ones are drawn anew for seeds 0, 1, 2.

    seen      queries of the 40 classes, among those 40
    unseen    queries of the 10 held classes, among all 50
    alone     queries of the 10 held classes, among those 10
    all       all queries, among all 50
    shifted   as `all`, the queries cropped and their light and colour changed

A figure of the honest run is on photos it never saw.  The release model has seen
them all: for it these numbers only show that it is the file it should be.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Callable

import numpy as np
import onnxruntime
from PIL import Image

from photos import Photos, find_photos, held_classes, honest_photos, stratified

ROOT = Path(__file__).resolve().parent.parent
NEIGHBOURS = 5
SEEDS = (0, 1, 2)

Embed = Callable[[list[Image.Image]], np.ndarray]


def open_onnx(path: Path) -> tuple[onnxruntime.InferenceSession, str, int, int]:
    """A session of one thread, its input's name, height and width (224 if free)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    entry = session.get_inputs()[0]
    height, width = (d if isinstance(d, int) else 224 for d in entry.shape[2:])
    return session, entry.name, height, width


def onnx_embed(path: Path) -> Embed:
    """Squash to the model's size, x / 127.5 - 1, first output."""
    session, name, height, width = open_onnx(path)

    def embed(images: list[Image.Image]) -> np.ndarray:
        out = []
        for image in images:
            pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32)
            x = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]) / 127.5 - 1
            out.append(session.run(None, {name: x.astype(np.float32)})[0].ravel())
        return np.stack(out)

    return embed


def histogram(images: list[Image.Image]) -> np.ndarray:
    """The floor: hue, saturation, value in 12 x 4 x 4 bins, square roots."""
    out = []
    for image in images:
        hsv = np.asarray(image.resize((128, 128), Image.Resampling.BILINEAR).convert("HSV"), int)
        bins = (hsv[..., 0] * 12 // 256) * 16 + (hsv[..., 1] // 64) * 4 + hsv[..., 2] // 64
        out.append(np.sqrt(np.bincount(bins.ravel(), minlength=192) / bins.size))
    return np.stack(out)


def shift(image: Image.Image, rng: np.random.RandomState) -> Image.Image:
    side = rng.uniform(0.75, 0.95)
    w, h = round(image.width * side), round(image.height * side)
    left, top = rng.randint(image.width - w + 1), rng.randint(image.height - h + 1)
    pixels = np.asarray(image.crop((left, top, left + w, top + h)), np.float32)
    pixels = pixels * rng.uniform(0.65, 1.25) * rng.uniform(0.85, 1.15, 3)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def normalise(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def accuracy(
    gallery: np.ndarray, gallery_labels: np.ndarray, queries: np.ndarray, labels: np.ndarray
) -> float:
    """Majority of the nearest; a tie goes to the class with the greater cosines."""
    cosines = normalise(queries) @ normalise(gallery).T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    votes = np.zeros((len(queries), max(labels.max(), gallery_labels.max()) + 1))
    for column in nearest.T:
        weight = 1 + 1e-3 * cosines[np.arange(len(queries)), column]
        votes[np.arange(len(queries)), gallery_labels[column]] += weight
    return float((votes.argmax(1) == labels).mean())


def evaluate(embed: Embed, photos: Photos) -> dict[str, float]:
    images = [photos.load(i) for i in range(len(photos))]
    clean = embed(images)
    shifted = embed([shift(image, np.random.RandomState([7, i])) for i, image in enumerate(images)])
    labels, learnt = photos.labels, honest_photos(photos)
    held = np.isin(labels, held_classes(photos))

    def score(gallery: np.ndarray, queries: np.ndarray, vectors: np.ndarray = clean) -> float:
        return accuracy(clean[gallery], labels[gallery], vectors[queries], labels[queries])

    rows = []
    for seed in SEEDS:
        first = stratified(labels, seed)
        gallery = np.where(held, first, learnt)
        row = {
            "seen": score(gallery & ~held, ~gallery & ~held),
            "unseen": score(gallery, ~gallery & held),
            "alone": score(gallery & held, ~gallery & held),
            "all": score(gallery, ~gallery),
            "shifted": score(gallery, ~gallery, shifted),
        }
        rows.append(row)
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}


def print_speed(paths: list[Path], rounds: int = 5, seconds: float = 1.0) -> None:
    """Images a second, one thread, one image at a time; the models take turns."""
    opened = [open_onnx(path) for path in paths]
    rates: list[list[float]] = [[] for _ in paths]
    for turn in range(rounds + 1):
        for (session, name, height, width), seen in zip(opened, rates):
            x = np.random.RandomState(0).rand(1, 3, height, width).astype(np.float32)
            began, runs = time.perf_counter(), 0
            while time.perf_counter() - began < seconds:
                session.run(None, {name: x})
                runs += 1
            if turn:  # the first round warms up
                seen.append(runs / (time.perf_counter() - began))
    for path, seen in zip(paths, rates):
        print(f"{path.name:34} {np.median(seen):.0f} images/s ({min(seen):.0f}-{max(seen):.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*", help="ONNX files")
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data/grocery/train")
    parser.add_argument("--histogram", action="store_true", help="the colour histogram too")
    parser.add_argument("--speed", action="store_true", help="images a second as well")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--bounds", type=Path, help="fail if a model is below these")
    args = parser.parse_args()
    photos = find_photos(args.data)
    embeds = {path.name: onnx_embed(path) for path in args.models}
    if args.histogram:
        embeds["colour histogram"] = histogram
    bounds = json.loads(args.bounds.read_text())["grocery"] if args.bounds else {}
    failed, results = False, {}
    for name, embed in embeds.items():
        results[name] = result = evaluate(embed, photos)
        print(f"{name:34}" + "".join(f" {key} {value:.3f}" for key, value in result.items()), flush=True)
        for key, least in bounds.items():
            if result[key] < least:
                print(f"{name}: {key} {result[key]:.4f} is below {least}")
                failed = True
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")
    if args.speed:
        print_speed(args.models)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
