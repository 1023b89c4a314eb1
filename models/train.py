#!/usr/bin/env python3
"""Train s3embed's default model, step by step; every step resumes where it was killed.

    train.py crops      crops of the photos and the teacher's features of each
    train.py honest     train on 70 % of 40 classes, so that it can be judged
    train.py release    go on from there with every photo and class
    train.py export     write the network as ONNX and compare it with PyTorch

CARD.md says how the result did, evaluate.py measures it.
"""

from __future__ import annotations

import argparse
import copy
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from photos import Photos, find_photos, honest_photos
from student import DIM, SIZE, Student

ROOT = Path(__file__).resolve().parent.parent
SEED = 1
TEACHER_SIZE = 224
TEACHER_DIM = 1280

# ---------------------------------------------------------------- crops

VIEW, ZOOM, MIXED, SHIFTED = range(4)  # what a crop is
KINDS = (VIEW, ZOOM, MIXED)
KIND_SHARES = (0.5, 0.2, 0.3)
CROPS_HONEST, CROPS_OTHER = 40, 20  # a photo; of each, the last is SHIFTED
AREAS = {VIEW: (0.5, 1.0), ZOOM: (0.12, 0.5), MIXED: (0.4, 1.0), SHIFTED: (0.56, 0.9)}

Pair = list[np.ndarray]  # one crop at the student's and at the teacher's size, 0..255


def crop(photo: Image.Image, kind: int, rng: np.random.RandomState) -> Pair:
    area, aspect = rng.uniform(*AREAS[kind]), np.exp(rng.uniform(-0.15, 0.15))
    w = photo.width * min(1.0, np.sqrt(area * aspect))
    h = photo.height * min(1.0, np.sqrt(area / aspect))
    x, y = rng.uniform(0, photo.width - w), rng.uniform(0, photo.height - h)
    flip = rng.rand() < 0.5
    pair = []
    for size in (SIZE, TEACHER_SIZE):
        image = photo.resize((size, size), Image.Resampling.BILINEAR, box=(x, y, x + w, y + h))
        pixels = np.asarray(image, np.float32)
        pair.append(pixels[:, ::-1] if flip else pixels)
    return pair


def collage(a: Pair, b: Pair, rng: np.random.RandomState) -> Pair:
    """A part of `b`, cut off by a straight line, in the place of the same part of `a`."""
    at, axis = rng.uniform(0.3, 0.7), rng.randint(2)
    out = []
    for first, second in zip(a, b):
        mask = (np.arange(first.shape[0]) + 0.5) / first.shape[0] < at
        mask = mask[:, None, None] if axis else mask[None, :, None]
        out.append(np.where(mask, first, second))
    return out


def make_crop(
    photos: list[Image.Image], index: int, partners: np.ndarray, kind: int, rng: np.random.RandomState
) -> Pair:
    pair = crop(photos[index], kind, rng)
    if kind == MIXED:
        other = crop(photos[rng.choice(partners)], kind, rng)
        if rng.rand() < 0.5:
            return collage(pair, other, rng)
        share = rng.uniform(0.3, 0.7)
        return [share * a + (1 - share) * b for a, b in zip(pair, other)]
    if kind == SHIFTED:
        light = rng.uniform(0.65, 1.25) * rng.uniform(0.85, 1.15, 3)
        return [np.clip(pixels * light, 0, 255) for pixels in pair]
    return pair


def crop_counts(honest: np.ndarray) -> np.ndarray:
    return np.where(honest, CROPS_HONEST, CROPS_OTHER)


def run_crops(args: argparse.Namespace, photos: Photos) -> None:
    honest = honest_photos(photos)
    counts = crop_counts(honest)
    starts = np.concatenate([[0], np.cumsum(counts)])
    progress = args.work / "crops.done"
    done = int(progress.read_text()) if progress.exists() else 0
    mode = "r+" if done else "w+"
    if done == len(photos):
        return
    total = int(starts[-1])
    make = np.lib.format.open_memmap
    crops = make(args.work / "crops.npy", mode, np.uint8, (total, SIZE, SIZE, 3))
    features = make(args.work / "features.npy", mode, np.float32, (total, TEACHER_DIM))
    kinds = make(args.work / "kinds.npy", mode, np.uint8, (total,))

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a photo a thread is quicker than threads inside
    teacher = onnxruntime.InferenceSession(str(args.teacher), options)
    images = [photos.load(i) for i in range(len(photos))]

    def one_photo(index: int) -> None:
        rng = np.random.RandomState([SEED, index])
        partners = np.flatnonzero(honest == honest[index])  # nothing held out leaks in
        wanted = rng.choice(KINDS, counts[index], p=KIND_SHARES)
        wanted[-1] = SHIFTED
        pairs = [make_crop(images, index, partners, kind, rng) for kind in wanted]
        at = slice(starts[index], starts[index + 1])
        crops[at] = np.rint(np.stack([p[0] for p in pairs]))
        kinds[at] = wanted
        pixels = np.stack([p[1] for p in pairs]).transpose(0, 3, 1, 2) / 127.5 - 1
        parts = np.array_split(pixels.astype(np.float32), max(1, counts[index] // 10))
        features[at] = np.concatenate([teacher.run(None, {"input": p})[0] for p in parts])

    began = time.time()
    with ThreadPoolExecutor(args.threads) as pool:
        for first in range(done, len(photos), 64):
            last = min(first + 64, len(photos))
            list(pool.map(one_photo, range(first, last)))
            for array in (crops, features, kinds):
                array.flush()
            progress.write_text(str(last))
            print(f"crops of photo {last}/{len(photos)}, {time.time() - began:.0f} s", flush=True)


# ---------------------------------------------------------------- what the teacher says

RIDGE = 0.5
PHOTO_SHARE = 0.4


def fit_targets(features: np.ndarray, photo: np.ndarray, kinds: np.ndarray) -> dict[str, np.ndarray]:
    """The linear map from the teacher's 1280 features to the student's 256.

    Directions in which the crops of one photo differ (place, size, light) are
    damped, then the 256 strongest of what remains are kept.  Uses no labels.
    """
    mean = features[kinds == VIEW].mean(0)
    nuisance, n = np.zeros((TEACHER_DIM, TEACHER_DIM), np.float64), 0
    for index in np.unique(photo):
        rows = features[(photo == index) & (kinds != MIXED)]
        rows = rows - rows.mean(0)
        nuisance += rows.T @ rows
        n += len(rows) - 1
    nuisance /= n
    ridge = RIDGE * np.trace(nuisance) / TEACHER_DIM
    values, vectors = np.linalg.eigh(nuisance + ridge * np.eye(TEACHER_DIM))
    whiten = (vectors * values**-0.5).astype(np.float32)
    white = (features[kinds != SHIFTED] - mean) @ whiten
    _, axes = np.linalg.eigh((white.T @ white).astype(np.float64))
    project = whiten @ axes[:, : -DIM - 1 : -1].astype(np.float32)
    project /= np.linalg.norm((features[kinds == VIEW] - mean) @ project, axis=1).mean()
    return {"mean": mean, "project": project}


def targets_of(
    features: np.ndarray, photo: np.ndarray, kinds: np.ndarray, fit: dict[str, np.ndarray]
) -> np.ndarray:
    """What the student shall say of each crop; that of a whole view leans to its photo's mean."""
    targets = (features - fit["mean"]) @ fit["project"]
    views = np.flatnonzero(kinds == VIEW)
    sums = np.zeros((photo.max() + 1, DIM), np.float32)
    np.add.at(sums, photo[views], targets[views])
    means = sums / np.maximum(1, np.bincount(photo[views], minlength=len(sums)))[:, None]
    targets[views] += PHOTO_SHARE * (means[photo[views]] - targets[views])
    return targets


# ---------------------------------------------------------------- training

BATCH = 128
RATE = 2.5e-3
DECAY = 0.05
AVERAGE = 0.998
CLASS_SCALE = 16.0


class Learner(nn.Module):
    """The student, and the class vectors that are dropped at export."""

    def __init__(self, classes: int):
        super().__init__()
        self.student = Student()
        self.classes = nn.Parameter(torch.randn(classes, DIM) * 0.02)


def augment(pixels: np.ndarray, size: int, rng: np.random.RandomState) -> Tensor:
    """Flip, light, and one window for the whole batch; the teacher saw none of it."""
    n = len(pixels)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    light = rng.uniform(0.6, 1.3, (n, 1)) * rng.uniform(0.82, 1.18, (n, 3))
    light[rng.rand(n) < 0.3] = 1
    x = (x * torch.from_numpy(light).float()[:, :, None, None]).clamp_(0, 255)
    flip = torch.from_numpy(rng.rand(n) < 0.5)
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    w, h = rng.randint(SIZE * 7 // 8, SIZE + 1, 2)
    left, top = rng.randint(SIZE - w + 1), rng.randint(SIZE - h + 1)
    x = x[:, :, top : top + h, left : left + w]
    if (h, w) != (size, size):
        x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
    return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def loss_of(learner: Learner, x: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, list[float]]:
    """The teacher's direction, its cosines and their order within the batch, and a little class."""
    z, t = F.normalize(learner.student(x)), F.normalize(target)
    single = (1 - (z * t).sum(1)).mean()
    off = ~torch.eye(len(z), dtype=torch.bool)
    mine, theirs = (z @ z.T)[off].view(len(z), -1), (t @ t.T)[off].view(len(z), -1)
    pairs = F.mse_loss(mine, theirs)
    order = F.kl_div((mine / 0.1).log_softmax(1), (theirs / 0.1).softmax(1), reduction="batchmean")
    known = label >= 0
    logits = CLASS_SCALE * z[known] @ F.normalize(learner.classes).T
    classes = F.cross_entropy(logits, label[known], label_smoothing=0.1)
    loss = single + 5 * pairs + 0.5 * order + 0.15 * classes
    return loss, [v.item() for v in (single, pairs, order, classes)]


def rate_at(step: int, steps: int, peak: float) -> float:
    warm = min(1.0, (step + 1) / 200)
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * step / steps)))


def size_at(step: int, steps: int, small_share: float) -> int:
    return 96 if step < small_share * steps else SIZE


def save(path: Path, state: dict) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def train(
    args: argparse.Namespace,
    photos: Photos,
    name: str,
    chosen: np.ndarray,
    start: dict | None,
    peak: float,
    small_share: float,
) -> None:
    """Run `args.steps` steps on the crops of the chosen photos, into NAME.pt.

    Everything random in a step follows from the step's number, so a checkpoint
    holds all that a resumed run needs.
    """
    torch.set_num_threads(args.threads)
    counts = crop_counts(honest_photos(photos))
    photo = np.repeat(np.arange(len(photos)), counts)
    kinds = np.load(args.work / "kinds.npy")
    features = np.load(args.work / "features.npy", mmap_mode="r")
    crops = np.load(args.work / "crops.npy", mmap_mode="r")

    path = args.work / f"{name}.pt"
    saved = torch.load(path, weights_only=False) if path.exists() else None
    rows = np.flatnonzero(chosen[photo])
    if saved or start:
        fit = (saved or start)["fit"]
    else:
        fit = fit_targets(features[rows], photo[rows], kinds[rows])
    rows = rows[kinds[rows] != SHIFTED]
    targets = targets_of(features[rows], photo[rows], kinds[rows], fit)
    labels = np.where(kinds[rows] == VIEW, photos.labels[photo[rows]], -1)
    del features

    torch.manual_seed(SEED)
    learner = Learner(len(photos.names))
    if start:
        learner.load_state_dict(start["average"])
    learner = learner.to(memory_format=torch.channels_last)
    weights = [p for p in learner.parameters() if p.ndim > 1]
    others = [p for p in learner.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=peak)
    average = copy.deepcopy(learner)
    step, seconds = 0, 0.0
    if saved:
        learner.load_state_dict(saved["learner"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        step, seconds = saved["step"], saved["seconds"]

    def checkpoint() -> None:
        state = {"step": step, "seconds": seconds + time.time() - began, "fit": fit}
        parts = {"learner": learner, "average": average, "optimizer": optimizer}
        save(path, state | {key: part.state_dict() for key, part in parts.items()})

    learner.train()
    began, recent = time.time(), []
    while step < args.steps:
        epoch, at = divmod(step, len(rows) // BATCH)
        order = np.random.RandomState([SEED, 1, epoch]).permutation(len(rows))
        batch = np.sort(order[at * BATCH : (at + 1) * BATCH])
        rng = np.random.RandomState([SEED, 2, step])
        x = augment(crops[rows[batch]], size_at(step, args.steps, small_share), rng)
        t, label = torch.from_numpy(targets[batch]), torch.from_numpy(labels[batch])
        loss, parts = loss_of(learner, x, t, label)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, args.steps, peak)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        step += 1
        keep = min(AVERAGE, step / (step + 10))
        with torch.no_grad():
            for mean, now in zip(average.state_dict().values(), learner.state_dict().values()):
                if mean.is_floating_point():
                    mean.lerp_(now, 1 - keep)
        recent.append(parts)
        if step % 50 == 0 or step == args.steps:
            numbers = " ".join(f"{v:.4f}" for v in np.mean(recent, 0))
            print(f"{name} {step}/{args.steps} {seconds + time.time() - began:.0f} s: {numbers}", flush=True)
            recent = []
        if step % 250 == 0 or step == args.steps:
            checkpoint()


def run_honest(args: argparse.Namespace, photos: Photos) -> None:
    train(args, photos, "honest", honest_photos(photos), None, RATE, 0.7)


def run_release(args: argparse.Namespace, photos: Photos) -> None:
    start = torch.load(args.work / "honest.pt", weights_only=False)
    every = np.ones(len(photos), bool)
    train(args, photos, "release", every, start, RATE * 0.4, 0.0)


# ---------------------------------------------------------------- export

POWER = 0.75


def even_out(student: Student, photos: Photos, chosen: np.ndarray) -> None:
    """Damp the few axes that rule every cosine, so that finer ones are heard.

    The embeddings of the run's own photos give the axes and their variances; each
    axis is divided by its variance to the power POWER / 2.  The map is linear, so
    it goes into the last layers and costs nothing.  Uses no labels.
    """
    student.eval()
    out = []
    for rows in np.array_split(np.flatnonzero(chosen), 32):
        images = [photos.load(i).resize((SIZE, SIZE), Image.Resampling.BILINEAR) for i in rows]
        x = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
        with torch.no_grad():
            out.append(student(x.permute(0, 3, 1, 2).float() / 127.5 - 1))
    z = torch.cat(out).double()
    variances, axes = torch.linalg.eigh(torch.cov(z.T))
    even = axes * (variances + 1e-3 * variances.mean()) ** (-POWER / 2)
    even = (even / (z @ even).norm(dim=1).mean()).float()
    with torch.no_grad():
        student.head.weight.copy_(even.T @ student.head.weight)
        student.head.bias.copy_(even.T @ student.head.bias)
        for tap in student.taps.values():
            tap.weight.copy_(even.T @ tap.weight)


def run_export(args: argparse.Namespace, photos: Photos) -> None:
    torch.set_num_threads(args.threads)
    saved = torch.load(args.work / f"{args.run}.pt", weights_only=False)
    learner = Learner(len(photos.names))
    learner.load_state_dict(saved["average"])
    chosen = honest_photos(photos) if args.run == "honest" else np.ones(len(photos), bool)
    even_out(learner.student, photos, chosen)
    export(learner.student, args.out, args.run)


def export(student: Student, out: Path, run: str) -> None:
    import onnx

    student = student.eval()
    x = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(SEED)) * 2 - 1
    torch.onnx.export(
        student,
        (x,),
        str(out),
        dynamo=False,
        opset_version=13,
        input_names=["input"],
        output_names=["embedding"],
        dynamic_axes={"input": {0: "N"}, "embedding": {0: "N"}},
    )
    model = onnx.load(out)
    model.doc_string = f"s3embed default model, {run} run"
    onnx.checker.check_model(model)
    onnx.save(model, out)
    with torch.no_grad():
        expected = student(x).numpy()
    session = onnxruntime.InferenceSession(str(out))
    worst = max(
        np.abs(session.run(None, {"input": x[:n].numpy()})[0] - expected[:n]).max() for n in (1, 3)
    )
    operators = sorted({node.op_type for node in model.graph.node})
    print(f"{out.name}: {out.stat().st_size} bytes, {' '.join(operators)}, off by {worst:.1e}")
    if worst > 1e-5:
        raise SystemExit("the ONNX file does not agree with PyTorch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("crops", "honest", "release", "export"))
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data/grocery/train")
    parser.add_argument("--teacher", type=Path, default=ROOT / "../shared/models/mobilenet_v2_imagenet_f32.onnx")
    parser.add_argument("--work", type=Path, default=ROOT / "build/model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="training steps")
    parser.add_argument("--run", choices=("honest", "release"), default="release", help="what to export")
    parser.add_argument("--out", type=Path, default=ROOT / "models/s3embed_default.onnx")
    args = parser.parse_args()
    args.steps = args.steps or {"honest": 7000, "release": 700}.get(args.step)
    args.work.mkdir(parents=True, exist_ok=True)
    photos = find_photos(args.data)
    steps = {"crops": run_crops, "honest": run_honest, "release": run_release, "export": run_export}
    steps[args.step](args, photos)


if __name__ == "__main__":
    main()
