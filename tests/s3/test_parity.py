"""The same vectors as onnxruntime makes of Pillow's pixels, from a real server filled by another client."""
import json

import numpy as np
import pytest
import servers

RECIPE = {"do_resize": True, "size": {"height": 224, "width": 224}, "resample": 2, "do_rescale": True,
          "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}


@pytest.fixture(scope="module")
def grocery(shared):
    folder = shared / "data/grocery/train"
    return {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*.jpg"))}


def reference(session, path):
    from PIL import Image

    image = Image.open(path).convert("RGB").resize((224, 224), Image.BILINEAR)
    pixels = (np.asarray(image, np.float32) / 255 - 0.5) / 0.5
    return session.run(None, {"input": pixels.transpose(2, 0, 1)[None]})[0].ravel()


def test_every_grocery_photo_has_onnxruntimes_vector(shared, grocery, connect, monkeypatch):
    import onnxruntime

    model = shared / "models/mobilenet_v2_imagenet_f32.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    server_of = servers.versitygw if servers.versitygw_program() else servers.moto
    with server_of() as server:
        server.bucket("grocery", {key: path.read_bytes() for key, path in grocery.items()})
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        con = connect()
        con.execute("SELECT embed_load('mobilenet', ?, json_object('recipe', json(?)))", (str(model), json.dumps(RECIPE)))
        ours = dict(con.execute("SELECT key, embed(s3_get(key), 'mobilenet') FROM s3_objects('grocery')").fetchall())
    assert set(ours) == set(grocery) and len(ours) == 1776
    worst_cosine, worst_error = 1.0, 0.0
    for key, path in grocery.items():
        got, want = np.frombuffer(ours[key], np.float32).astype(float), reference(session, path).astype(float)
        worst_cosine = min(worst_cosine, got @ want / np.linalg.norm(got) / np.linalg.norm(want))
        worst_error = max(worst_error, np.linalg.norm(got - want) / np.linalg.norm(want))
    print(f"cosine >= {worst_cosine:.8f}, relative L2 error <= {worst_error:.2e}")
    assert worst_cosine >= 0.99999
    assert worst_error <= 5e-3
