#!/usr/bin/env python3
"""Renders the sample images: three folders of a dozen fruits each.

    python3 examples/render.py [FOLDER]      needs numpy and Pillow

Each fruit is a height over the picture plane: its gradient gives the normals, three lights and a
little noise do the rest. Seeds are fixed, so the same versions give the same files.
"""
import pathlib
import sys

import numpy as np
from PIL import Image, ImageFilter

SIDE = 200  # pixels of a finished image
SCALE = 2  # rendered larger by this, then reduced: smooth edges
COUNT = 12


def grid(angle, size, centre):
    """Coordinates of every pixel, in units of the fruit, turned by `angle`."""
    n = SIDE * SCALE
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    x, y = np.meshgrid(axis, axis)
    x, y = (x - centre[0]) / size, (y - centre[1]) / size
    c, s = np.cos(angle), np.sin(angle)
    return c * x + s * y, -s * x + c * y


def noise(rng, cells):
    """Smooth noise in -1..1, `cells` bumps across."""
    small = Image.fromarray(rng.uniform(0, 255, (cells, cells)).astype(np.uint8))
    return np.asarray(small.resize((SIDE * SCALE,) * 2, Image.BICUBIC), float) / 127.5 - 1


def shade(height, mask, colour, gloss):
    """Lights a height field: `colour` [h, w, 3] in 0..1."""
    pixel = 2 / (SIDE * SCALE)
    dy, dx = np.gradient(height, pixel)
    normal = np.dstack([-dx, -dy, np.ones_like(height)])
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    light = np.array([-0.5, -0.65, 0.6]) / np.linalg.norm([-0.5, -0.65, 0.6])
    half = light + [0, 0, 1]
    half /= np.linalg.norm(half)
    diffuse = np.clip(normal @ light, 0, None)
    fill = 0.25 * np.clip(normal @ np.array([0.8, 0.4, 0.45]), 0, None)
    spark = np.clip(normal @ half, 0, None) ** 40 * gloss
    lit = colour * (0.25 + 0.85 * diffuse + fill)[..., None] + spark[..., None]
    return np.where(mask[..., None], lit, 0)


def mix(a, b, t):
    return np.asarray(a) * (1 - t[..., None]) + np.asarray(b) * t[..., None]


def stroke(x, y, points, width):
    """Mask of a thick curve through `points`."""
    hit = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        for t in np.linspace(0, 1, 12):
            hit |= np.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0)) < width
    return hit


def apple(rng):
    x, y = grid(rng.uniform(-0.25, 0.25), rng.uniform(0.58, 0.68), rng.uniform(-0.08, 0.08, 2))
    turn = np.arctan2(x, -y)  # 0 at the stem
    edge = 1 - 0.20 * np.exp(-((turn / 0.42) ** 2)) - 0.06 * np.exp(-(((np.abs(turn) - np.pi) / 0.5) ** 2))
    r = np.hypot(x * 0.98, y * 1.05) / edge
    height = np.sqrt(np.clip(1 - r**2, 0, None)) * 0.55
    height -= 0.22 * np.exp(-((x / 0.22) ** 2 + ((y + 0.62) / 0.16) ** 2))
    skin = [(0.80, 0.10, 0.10), (0.62, 0.76, 0.20), (0.86, 0.24, 0.14)][rng.integers(3)]
    blush = (0.93, 0.72, 0.25) if skin[0] > 0.7 else (0.78, 0.82, 0.35)
    stripes = 0.5 + 0.5 * np.sin(turn * 38 + 3 * noise(rng, 7))
    t = np.clip(0.30 * noise(rng, 4) + 0.18 * stripes + 0.25 * (y + 0.4), 0, 0.8)
    image, mask = shade(height, r < 1, mix(skin, blush, t), 0.55), r < 1
    lean = rng.uniform(-0.12, 0.12)
    stem = stroke(x, y, [(0, -0.66), (lean * 0.5, -0.85), (lean, -1.02)], 0.035)
    leaf = ((x - lean * 0.5 - 0.24) / 0.25) ** 2 + ((y + 0.93 + 0.4 * (x - 0.2)) / 0.10) ** 2 < 1
    if rng.random() < 0.7:
        image[leaf] = np.array([0.20, 0.48, 0.14]) * (0.8 + 0.6 * (x[leaf, None] * 0.8))
        mask = mask | leaf
    image[stem] = (0.30, 0.19, 0.09)
    return image, mask | stem


def lemon(rng):
    x, y = grid(rng.uniform(-0.9, 0.9), rng.uniform(0.60, 0.70), rng.uniform(-0.08, 0.08, 2))
    body = np.hypot(x / 0.86, y / 0.66)
    tip = np.abs(x) - 0.80
    nub = np.hypot(np.clip(tip, 0, None) / 0.22, y / (0.20 - 0.10 * np.clip(tip, 0, 0.2) / 0.2))
    r = np.minimum(body, np.where(tip > 0, nub, 9))
    height = np.sqrt(np.clip(1 - np.minimum(body, 1) ** 2, 0, None)) * 0.55
    height = np.maximum(height, np.sqrt(np.clip(1 - np.where(tip > -0.1, nub, 9) ** 2, 0, None)) * 0.14)
    pores = noise(rng, 60)
    height = height + 0.0035 * pores * (r < 1)
    ripe = rng.uniform(0, 0.35)
    t = np.clip(ripe * (0.6 + 0.5 * noise(rng, 3)) + 0.35 * np.clip(tip + 0.1, 0, 0.3) / 0.3, 0, 1)
    skin = mix((0.97, 0.82, 0.12), (0.72, 0.76, 0.16), t) * (1 + 0.04 * pores[..., None])
    return shade(height, r < 1, skin, 0.35), r < 1


def banana(rng):
    x, y = grid(rng.uniform(-0.7, 0.7) + rng.choice([0, np.pi]), rng.uniform(0.72, 0.80), rng.uniform(-0.06, 0.06, 2))
    bend = rng.uniform(0.85, 1.15)  # radius of the arc on which the fruit lies
    cy = -bend + 0.25
    turn = np.arctan2(x, y - cy)
    along = turn * bend / 0.98  # -1..1 from stem to tip
    across = np.hypot(x, y - cy) - bend
    taper = np.clip(1 - np.abs(along) ** 3.2, 0, None) ** 0.55
    width = 0.045 + 0.215 * taper
    inside = (np.abs(across) < width) & (np.abs(along) < 1)
    s = np.clip(across / width, -1, 1)
    flat = np.abs(np.sin(1.5 * np.arccos(s)))  # three soft edges, as a peel has
    height = width * (np.sqrt(np.clip(1 - s**2, 0, None)) * 0.85 + 0.10 * flat)
    green = rng.uniform(0, 0.5) * np.clip(np.abs(along) - 0.45, 0, None)
    skin = mix((0.96, 0.80, 0.18), (0.60, 0.70, 0.20), np.clip(green, 0, 1))
    spots = np.clip(noise(rng, 46) - rng.uniform(0.62, 0.95), 0, None) * 2.2
    ends = np.clip((np.abs(along) - 0.90) / 0.05, 0, 1)
    dark = np.clip(spots + ends * np.where(along > 0, 0.95, 0.45), 0, 0.9)
    return shade(height, inside, mix(skin, np.array([0.24, 0.15, 0.07]), dark), 0.22), inside


def picture(fruit, rng):
    image, mask = fruit(rng)
    base = np.array([[0.93, 0.92, 0.90], [0.80, 0.72, 0.60], [0.62, 0.66, 0.70], [0.86, 0.80, 0.74]][rng.integers(4)])
    _, y = grid(0, 1, (0, 0))
    grain = 0.03 * noise(rng, 5) + 0.015 * noise(rng, 80)
    back = base * (1.02 - 0.10 * y + grain)[..., None]
    shadow = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(9 * SCALE))
    shadow = np.roll(np.asarray(shadow, float) / 255, (8 * SCALE, 7 * SCALE), (0, 1))
    back *= 1 - 0.55 * shadow[..., None]
    out = np.where(mask[..., None], image, back) * rng.uniform(0.85, 1.08)
    out = Image.fromarray((np.clip(out, 0, 1) ** 0.9 * 255).astype(np.uint8))
    return out.resize((SIDE, SIDE), Image.LANCZOS)


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    for label, fruit in enumerate((apple, banana, lemon)):
        folder = out / fruit.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(COUNT):
            rng = np.random.default_rng(1000 * label + i)
            picture(fruit, rng).save(folder / f"{fruit.__name__}_{i + 1:02}.jpg", quality=88)


main()
