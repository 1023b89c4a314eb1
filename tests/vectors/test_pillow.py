"""Pillow judges: what we decode, resize and normalise is what Pillow and numpy make of the same file.

The images are photos of ../shared where they are there, else pictures made here. The probe answers as
pillow_probe.c says. Equal means every byte; Pillow must be 13 or newer (it resizes some tall images height first,
older ones do not).
"""

import io
import itertools
import math
import os
import subprocess

import numpy as np
import PIL
import pytest
from conftest import BUILD, SHARED
from PIL import Image

FILTERS = {2: Image.Resampling.BILINEAR, 3: Image.Resampling.BICUBIC}
OLD_PILLOW = int(PIL.__version__.split(".")[0]) < 13
E_FORMAT = 5


class Refused(Exception):
    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.code = code


class Probe:
    def __init__(self, program, folder):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.file = folder / "image.jpg"

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        status, first, rest = self.process.stdout.readline().decode().split(" ", 2)
        if status == "error":
            raise Refused(int(first), rest.strip())
        return [int(n) for n in rest.split()], self.process.stdout.read(int(first))

    def array(self, verb, jpeg, arguments="", dtype=np.uint8):
        self.file.write_bytes(jpeg)
        (height, width, _, _), raw = self.ask(f"{verb} {self.file} {arguments}")
        return np.frombuffer(raw, dtype).reshape(height, width, 3)

    def info(self, jpeg):
        self.file.write_bytes(jpeg)
        return self.ask(f"info {self.file}")[0]


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    program = BUILD / "tests/vectors/pillow_probe"
    probe = Probe(program, tmp_path_factory.mktemp("pillow"))
    yield probe
    probe.process.stdin.close()
    assert probe.process.wait() == 0


def picture(height, width, channels=3, seed=0):
    """Waves and noise, so that neither filters nor chroma have it easy."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / (3 + c) + y / (5 + 2 * c) + c) for c in range(channels)]
    return np.clip(np.stack(waves, -1) + rng.randn(height, width, channels) * 8, 0, 255).astype(np.uint8)


def encode(pixels, mode="RGB", **options):
    out = io.BytesIO()
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).save(out, "JPEG", **options)
    return out.getvalue()


def pillow(jpeg):
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


@pytest.fixture(scope="module")
def photos():
    found = []
    for pattern in ("fruits-360/Test/*/3*_100.jpg", "grocery/train/*/*/*.jpg"):
        found += sorted((SHARED / "data").glob(pattern))[::60][:8]
    made = [encode(picture(h, w, seed=h), quality=85) for h, w in ((100, 100), (348, 348), (464, 348), (120, 301))]
    return [path.read_bytes() for path in found] or made


KINDS = {
    f"{mode}-{height}x{width}-{'progressive' if progressive else 'baseline'}-{chroma}": encode(
        picture(height, width, channels), mode, progressive=progressive, subsampling=chroma, quality=quality
    )
    for (mode, channels), (height, width), progressive, (chroma, quality) in itertools.product(
        (("RGB", 3), ("L", 1), ("CMYK", 4)),
        ((1, 1), (7, 9), (8, 8), (17, 33), (40, 61), (100, 100)),
        (False, True),
        ((0, 95), (1, 75), (2, 30)),
    )
}
KINDS["rgb-kept"] = encode(picture(40, 41), keep_rgb=True)
KINDS["restarts"] = encode(picture(40, 41), restart_marker_blocks=2)
ycck = bytearray(KINDS["CMYK-40x61-baseline-0"])
ycck[ycck.index(b"Adobe") + 11] = 2  # the transform of Adobe's segment
KINDS["ycck"] = bytes(ycck)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_jpeg_decodes_as_pillow_does(probe, kind):
    assert np.array_equal(probe.array("decode", KINDS[kind]), np.asarray(pillow(KINDS[kind])))


def test_photos_decode_as_pillow_does(probe, photos):
    for jpeg in photos:
        assert np.array_equal(probe.array("decode", jpeg), np.asarray(pillow(jpeg)))


@pytest.mark.parametrize("kind", ["RGB-17x33-baseline-2", "RGB-17x33-progressive-2", "CMYK-17x33-baseline-1", "restarts"])
def test_a_cut_file_is_refused_where_pillow_refuses(probe, kind):
    jpeg = KINDS[kind]
    for length in itertools.chain(range(3, len(jpeg), 13), range(len(jpeg) - 12, len(jpeg))):
        try:
            want = np.asarray(pillow(jpeg[:length]))
        except (OSError, SyntaxError):
            with pytest.raises(Refused) as refused:
                probe.array("decode", jpeg[:length])
            assert refused.value.code == E_FORMAT
        else:
            assert np.array_equal(probe.array("decode", jpeg[:length]), want)


def test_damage_passes_where_it_passes_in_pillow(probe):
    """A byte of the coded pixels changed: libjpeg warns, Pillow shows what there is, and so do we."""
    jpeg, rng = KINDS["RGB-40x61-baseline-2"], np.random.RandomState(0)
    start = jpeg.index(b"\xff\xda") + 14
    passed = 0
    for _ in range(200):
        damaged = bytearray(jpeg)
        damaged[rng.randint(start, len(jpeg) - 2)] = rng.randint(256)
        try:
            want = np.asarray(pillow(bytes(damaged)))
        except OSError:
            with pytest.raises(Refused):
                probe.array("decode", bytes(damaged))
        else:
            passed += 1
            assert np.array_equal(probe.array("decode", bytes(damaged)), want)
    assert passed > 100


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_reported_not_applied(probe, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a maker"
    jpeg = encode(picture(20, 30), exif=exif)
    assert probe.info(jpeg) == [20, 30, 3, orientation]
    assert np.array_equal(probe.array("decode", jpeg), np.asarray(pillow(jpeg)))


@pytest.mark.skipif(OLD_PILLOW, reason="Pillow before 13 resizes tall images in another order")
@pytest.mark.parametrize("kind", FILTERS)
def test_200_sizes_resize_as_in_pillow(probe, photos, kind):
    rng = np.random.RandomState(kind)
    for i in range(200):
        jpeg = photos[i % len(photos)]
        image = pillow(jpeg)
        # Down to a pixel and up to three times the size; each tenth keeps a side.
        height = int(np.exp(rng.uniform(0, np.log(3 * image.height)))) if i % 10 else image.height
        width = int(np.exp(rng.uniform(0, np.log(3 * image.width)))) if i % 10 != 5 else image.width
        got = probe.array("resize", jpeg, f"{kind} {height} {width}")
        assert np.array_equal(got, np.asarray(image.resize((width, height), FILTERS[kind]))), (image.size, width, height)


def shorter_side(image, side, kind):
    """torchvision.transforms.Resize(side), and shortest_edge of transformers."""
    short, long = sorted(image.size)
    other = int(side * long / short)
    return image.resize((side, other) if image.width <= image.height else (other, side), FILTERS[kind])


def torch_crop(pixels, side):
    """torchvision.transforms.CenterCrop(side)."""
    height, width = pixels.shape[:2]
    down, across = max(side - height, 0), max(side - width, 0)
    pixels = np.pad(pixels, ((down // 2, (down + 1) // 2), (across // 2, (across + 1) // 2), (0, 0)))
    top, left = (int(round((n - side) / 2.0)) for n in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def transformers_crop(pixels, side):
    """transformers.image_transforms.center_crop(image, (side, side))."""
    height, width = pixels.shape[:2]
    down, across = max(side - height, 0), max(side - width, 0)
    before = math.ceil(down / 2), math.ceil(across / 2)
    pixels = np.pad(pixels, ((before[0], down - before[0]), (before[1], across - before[1]), (0, 0)))
    top, left = ((n - side) // 2 for n in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def normal(pixels, scale, mean, std):
    return (pixels.astype(np.float32) * np.float32(scale) - np.float32(mean)) / np.float32(std)


IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CLIP = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
RECIPES = {
    "imagenet": (
        '"imagenet"',
        lambda image: normal(torch_crop(np.asarray(shorter_side(image, 256, 2)), 224), 1 / 255, *IMAGENET),
    ),
    "mobilenet": (
        '"mobilenet"',
        lambda image: normal(np.asarray(image.resize((224, 224), FILTERS[2])), 1 / 255, 0.5, 0.5),
    ),
    "CLIP": (
        '{"size": {"shortest_edge": 224}, "crop_size": 224, "resample": 3, "rescale_factor": 0.00392156862745098,'
        f' "image_mean": {CLIP[0]}, "image_std": {CLIP[1]}}}',
        lambda image: normal(transformers_crop(np.asarray(shorter_side(image, 224, 3)), 224), 1 / 255, *CLIP),
    ),
    "odd": (
        '{"size": {"shortest_edge": 117}, "crop_size": 90, "do_rescale": false, "do_normalize": false}',
        lambda image: transformers_crop(np.asarray(shorter_side(image, 117, 2)), 90).astype(np.float32),
    ),
    "larger than the image": (
        '{"size": {"shortest_edge": 60}, "crop_size": 91, "image_mean": 0.5, "image_std": 0.25}',
        lambda image: normal(transformers_crop(np.asarray(shorter_side(image, 60, 2)), 91), 1 / 255, 0.5, 0.25),
    ),
    "timm": (
        '{"pretrained_cfg": {"input_size": [3, 96, 96], "crop_pct": 0.9, "interpolation": "bicubic"}}',
        lambda image: normal(torch_crop(np.asarray(shorter_side(image, 106, 3)), 96), 1 / 255, *IMAGENET),
    ),
    "timm, squash": (
        '{"input_size": [3, 100, 60], "crop_pct": 0.8, "crop_mode": "squash", "interpolation": "bilinear"}',
        lambda image: normal(np.asarray(image.resize((75, 125), FILTERS[2]))[12:112, 8:68], 1 / 255, *IMAGENET),
    ),
}


@pytest.mark.skipif(OLD_PILLOW, reason="Pillow before 13 resizes tall images in another order")
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_the_tensor_of_pillow_and_numpy(probe, photos, name):
    """float32 arithmetic in the same order: equal on every bit."""
    recipe, expected = RECIPES[name]
    for jpeg in [*photos, encode(picture(41, 333)), encode(picture(334, 45))]:
        got = probe.array("apply", jpeg, recipe, np.float32)
        assert np.array_equal(got, expected(pillow(jpeg))), pillow(jpeg).size


@pytest.mark.skipif(not os.environ.get("S3E_TIMES"), reason="S3E_TIMES=1 prints speeds beside Pillow's")
def test_times(probe, capsys):
    import time

    for (h, w), (height, width), kind in itertools.product(
        ((100, 100), (348, 348), (1080, 1920)), ((128, 128), (224, 224)), FILTERS
    ):
        jpeg = encode(picture(h, w))
        image = pillow(jpeg)
        ours, theirs = [], []
        for _ in range(7):
            probe.file.write_bytes(jpeg)
            ours.append(probe.ask(f"time {probe.file} {kind} {height} {width}")[0][0] / 1e3)
            start = time.perf_counter()
            for _ in range(20):
                image.resize((width, height), FILTERS[kind])
            theirs.append((time.perf_counter() - start) / 20 * 1e6)
        a, b = sorted(ours)[3], sorted(theirs)[3]
        with capsys.disabled():
            print(f"{w}x{h} to {width}x{height}, {FILTERS[kind].name}: {a:.0f} us, Pillow {b:.0f} us, {b / a:.1f}")
