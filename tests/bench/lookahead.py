"""scripts/bench lookahead: what SQL costs over bare decode and inference, and what a far server costs over a near one.

Every pair runs its two sides one after the other, so that a machine whose speed drifts is the same for both. Rates are
images a second of the statement alone; CPU is the whole process's, threads included.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import servers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHARED = pathlib.Path(os.environ.get("S3E_SHARED", ROOT / "../shared")).resolve()
BUILD = ROOT / "build/release"
RECIPE = {"do_resize": True, "size": {"height": 224, "width": 224}, "resample": 2, "do_rescale": True,
          "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
MODELS = {"default": None, "MobileNetV2": SHARED / "models/mobilenet_v2_imagenet_f32.onnx"}
PHOTOS = {"100x100": "data/fruits-360/Test", "348x348": "data/grocery/train/Fruit/Apple"}
THREADS = len(os.sched_getaffinity(0))
PLAIN = "SELECT count(embed(s3_get(key))) FROM s3_objects({target});"
SHAPES = {
    "SELECT": PLAIN,
    "INSERT ... SELECT": "CREATE TABLE f(k, v); .now INSERT INTO f SELECT key, embed(s3_get(key)) FROM s3_objects({target});",
    "CREATE TABLE AS": "CREATE TABLE f AS SELECT key, embed(s3_get(key)) AS v FROM s3_objects({target});",
    "GROUP BY folder": "SELECT folder, count(embed(s3_get(key))) FROM s3_objects({target}) GROUP BY folder;",
    "join, no index": "CREATE TABLE l AS SELECT key AS k, name AS label FROM s3_objects({target}); .now "
    "SELECT count(embed(s3_get(o.key))), count(label) FROM s3_objects({target}) AS o JOIN l ON l.k = o.key;",
    "join, index": "CREATE TABLE l(k PRIMARY KEY, label); INSERT INTO l SELECT key, name FROM s3_objects({target}); .now "
    "SELECT count(embed(s3_get(o.key))), count(label) FROM s3_objects({target}) AS o JOIN l ON l.k = o.key;",
}


def sql(statement, model, env=None, before=()):
    """Runs `statement` in the sqlite3 shell; seconds of what follows its '.now', and CPU seconds of that."""
    setup, _, timed = statement.rpartition(" .now ")
    load = f".load {BUILD / 's3embed'}\n"
    if model:
        load += f"SELECT embed_load('default', '{model}', json_object('recipe', json('{json.dumps(RECIPE)}'))) IS NULL;\n"
    script = f".bail on\n{load}{setup}\n.timer on\n{timed}\n"
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run([*before, "sqlite3", f"{folder}/db"], input=script, text=True, capture_output=True,
                             env=dict(os.environ, **(env or {})))
    found = re.search(r"real ([\d.]+) user ([\d.]+) sys ([\d.]+)", out.stdout)
    if out.returncode or not found:
        sys.exit(f"{statement}\n{out.stderr}{out.stdout}")
    real, user, system = map(float, found.groups())
    return real, user + system


def bare(files, model):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as recipe:
        json.dump(RECIPE, recipe)
        recipe.flush()
        command = [BUILD / "tests/bare", str(THREADS), "1", model or "-", recipe.name, *files]
        got = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)
    return got["wall_s"], got["cpu_s"]


def show(name, values, unit=""):
    print(f"  {name:44} {statistics.median(values):7.3f}{unit}  ({min(values):.3f}-{max(values):.3f}, {len(values)} pairs)", flush=True)


def local(pairs, photos, model):
    folder = SHARED / PHOTOS[photos]
    files = sorted(folder.rglob("*.jpg"))
    target = f"'file:{folder}'"
    ratios = {shape: [] for shape in SHAPES}
    rates = []
    for _ in range(pairs):
        for shape, text in SHAPES.items():
            floor, _ = bare(files, MODELS[model])
            real, _ = sql(text.format(target=target), MODELS[model])
            ratios[shape].append(floor / real)
            rates.append(len(files) / floor)
    print(f"local folder, {photos}, {model}, {THREADS} threads: bare {statistics.median(rates):.0f} images/s; rate over bare")
    for shape, values in ratios.items():
        show(shape, values)


def remote(pairs, photos, model, server):
    folder = SHARED / PHOTOS[photos]
    files = sorted(folder.rglob("*.jpg"))
    bucket = "bench-" + photos
    server.bucket(bucket, {str(f.relative_to(folder)): f.read_bytes() for f in files})
    text = PLAIN.format(target=f"'{bucket}'")
    latency = SHARED / "servers/with-latency"
    near, far = ([str(latency), ms] for ms in ("0", "30"))
    ratio, extra = [], []
    for _ in range(pairs):
        _, floor_cpu = bare(files, MODELS[model])
        near_real, _ = sql(text, MODELS[model], server.env(), near)
        far_real, far_cpu = sql(text, MODELS[model], server.env(), far)
        _, direct_cpu = sql(text, MODELS[model], server.env())
        ratio.append(near_real / far_real)
        extra.append((direct_cpu - floor_cpu) / len(files) * 1000)
    print(f"real server, {photos}, {model}")
    show("rate at 30 ms over rate at 0 ms", ratio)
    show("our CPU an image over bare", extra, " ms")


def main():
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    if not SHARED.is_dir():
        sys.exit(f"scripts/bench: {SHARED} is not there; set S3E_SHARED")
    for model in MODELS:
        for photos in PHOTOS:
            local(pairs, photos, model)
    if not servers.versitygw_program():
        sys.exit("scripts/bench: no versitygw, so no real server")
    for model in MODELS:
        with servers.versitygw() as server:
            for photos in PHOTOS:
                remote(pairs, photos, model, server)


main()
