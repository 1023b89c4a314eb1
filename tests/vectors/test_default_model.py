"""The default model is small and as good as its card says."""
import subprocess
import sys

from conftest import ROOT

MODEL = ROOT / "models/s3embed_default.onnx"


def test_it_is_at_most_3_mb():
    assert MODEL.stat().st_size <= 3_000_000


def test_its_accuracy_is_within_the_bounds_of_its_card(shared):
    command = [sys.executable, ROOT / "models/evaluate.py", MODEL, "--bounds", ROOT / "models/bounds.json"]
    command += ["--data", shared / "data/grocery/train"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
