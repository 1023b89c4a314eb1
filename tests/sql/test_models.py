"""embed_load, embed_unload, embed_models: models of one's own, by name, per connection."""
import hashlib
import json
import math
import re
import shutil
import sqlite3

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

RECIPE = {
    "size": {"height": 32, "width": 32},
    "resample": 2,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
}


def save(path, channels=3, outputs=("mean",)):
    """A network whose vector is the mean of each channel: a 1x1 convolution (channel i reads i mod 3), then the mean."""
    weights = np.zeros((channels, 3, 1, 1), np.float32)
    weights[np.arange(channels), np.arange(channels) % 3] = 1
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    for name in outputs:
        nodes.append(helper.make_node("GlobalAveragePool", ["y"], [name + "_4d"]))
        nodes.append(helper.make_node("Flatten", [name + "_4d"], [name]))
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels]) for name in outputs],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


@pytest.fixture
def model(tmp_path):
    return save(tmp_path / "mean.onnx")


def load(con, name, path, **options):
    args = (name, str(path)) + ((json.dumps(options),) if options else ())
    return json.loads(con.execute(f"SELECT embed_load({','.join('?' * len(args))})", args).fetchone()[0])


def vector(con, image, *name):
    blob = con.execute(f"SELECT embed({','.join('?' * (1 + len(name)))})", (image, *name)).fetchone()[0]
    return np.frombuffer(blob, np.float32)


def names(con):
    return [r[0] for r in con.execute("SELECT name FROM embed_models ORDER BY name")]


def raises(con, sql, *args):
    with pytest.raises(sqlite3.Error) as caught:
        con.execute(sql, args).fetchall()
    return str(caught.value)


@pytest.fixture
def apple(examples):
    return (examples / "apple/apple_01.jpg").read_bytes()


def test_a_loaded_model_is_used_by_its_name(con, model, examples, apple):
    load(con, "mean", model, recipe=RECIPE)
    with Image.open(examples / "apple/apple_01.jpg") as img:
        pixels = np.asarray(img.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR), np.float64)
    want = ((pixels / 255 - 0.5) / 0.25).mean(axis=(0, 1))
    assert vector(con, apple, "mean") == pytest.approx(want, abs=1e-4)


def test_embed_load_returns_what_embed_models_shows(con, model):
    got = load(con, "mean", model, recipe=RECIPE)
    row = con.execute("SELECT * FROM embed_models WHERE name = 'mean'")
    shown = dict(zip([d[0] for d in row.description], row.fetchone()))
    assert list(shown) == "name path format sha256 dims input_height input_width recipe is_default".split()
    assert shown == {
        "name": "mean",
        "path": str(model),
        "format": "onnx",
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "dims": 3,
        "input_height": 32,
        "input_width": 32,
        "recipe": shown["recipe"],
        "is_default": 0,
    }
    assert got["recipe"] == json.loads(shown["recipe"])
    assert {k: got[k] for k in got if k in shown and k != "recipe"} == {k: shown[k] for k in shown if k not in ("recipe", "is_default")}
    assert got["parameters"] == 9 and got["normalize"] == 0


def test_the_answer_is_json_to_sqlites_functions(con, model):
    sql = "SELECT json_object('model', embed_load('m', ?, json_object('recipe', json(?))))"
    answer = con.execute(sql, (str(model), json.dumps(RECIPE))).fetchone()[0]
    assert json.loads(answer)["model"]["dims"] == 3


def test_the_shown_recipe_loads_to_the_same_vectors(con, model, apple):
    load(con, "a", model, recipe=RECIPE)
    shown = con.execute("SELECT recipe FROM embed_models WHERE name = 'a'").fetchone()[0]
    load(con, "b", model, recipe=json.loads(shown))
    assert vector(con, apple, "a").tobytes() == vector(con, apple, "b").tobytes()


def test_default_is_the_embedded_one_until_replaced(con, model, apple):
    assert con.execute("SELECT name, path, is_default FROM embed_models").fetchall() == [("default", None, 1)]
    embedded = vector(con, apple)
    assert embedded.tobytes() == vector(con, apple, "default").tobytes()
    load(con, "default", model, recipe=RECIPE)
    assert con.execute("SELECT name, path, is_default FROM embed_models").fetchall() == [("default", str(model), 1)]
    assert len(vector(con, apple)) == 3 and len(vector(con, apple, "default")) == 3
    assert con.execute("SELECT embed_unload('default')").fetchone() == (1,)
    assert vector(con, apple).tobytes() == embedded.tobytes()
    assert con.execute("SELECT embed_unload('default')").fetchone() == (0,)


def test_a_name_in_use_raises_and_the_first_stays(con, model, tmp_path, apple):
    load(con, "m", model, recipe=RECIPE)
    other = save(tmp_path / "other.onnx", channels=5)
    message = raises(con, "SELECT embed_load('m', ?, ?)", str(other), json.dumps({"recipe": RECIPE}))
    assert message == "embed_load: the name 'm' is in use: embed_unload('m') frees it"
    assert len(vector(con, apple, "m")) == 3
    load(con, "default", model, recipe=RECIPE)
    assert "is in use" in raises(con, "SELECT embed_load('default', ?, ?)", str(other), json.dumps({"recipe": RECIPE}))


def test_embed_unload(con, model, apple):
    load(con, "m", model, recipe=RECIPE)
    assert con.execute("SELECT embed_unload('m'), embed_unload('m'), embed_unload('never'), embed_unload(NULL)").fetchone() == (1, 0, 0, 0)
    assert names(con) == ["default"]
    assert "no model named 'm'" in raises(con, "SELECT embed(?, 'm')", apple)


def test_an_unknown_name_lists_those_that_there_are(con, model, apple):
    load(con, "red", model, recipe=RECIPE)
    load(con, "green", model, recipe=RECIPE)
    message = raises(con, "SELECT embed(?, 'blue')", apple)
    assert message == "embed: no model named 'blue': embed_load(name, path) loads one; there are default, red, green"


def test_a_failed_load_leaves_nothing_behind(con, model, tmp_path, apple):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:-20])
    recipe = json.dumps({"recipe": RECIPE})
    for path, options, said in [
        (tmp_path / "absent.onnx", recipe, "absent.onnx"),
        (tmp_path, recipe, str(tmp_path)),
        (broken, recipe, "broken.onnx"),
        (model, "{}", "no recipe"),
        (model, '{"recipe": "no-such"}', "no-such"),
        (model, '{"recipe": {"sise": 32}}', "sise"),
        (model, '{"recipe": %s, "ouput": "mean"}' % json.dumps(RECIPE), "ouput"),
        (model, '{"recipe": %s, "output": "absent"}' % json.dumps(RECIPE), "absent"),
        (model, '{"recipe": %s, "normalize": "yes"}' % json.dumps(RECIPE), "normalize"),
        (model, "[1]", "JSON"),
        (model, "recipe=imagenet", "JSON"),
    ]:
        message = raises(con, "SELECT embed_load('m', ?, ?)", str(path), options)
        assert message.startswith("embed_load: ") and said in message
        assert names(con) == ["default"]
    load(con, "m", model, recipe=RECIPE)
    assert len(vector(con, apple, "m")) == 3


@pytest.mark.parametrize("name", ["", None, "x" * 101, "a\0b"])
def test_a_name_has_1_to_100_bytes(con, model, name):
    assert raises(con, "SELECT embed_load(?, ?)", name, str(model)) == "embed_load: the name of a model has 1 to 100 bytes"


@pytest.mark.parametrize("path", ["", None, "a\0b"])
def test_a_path_is_needed(con, path):
    assert raises(con, "SELECT embed_load('m', ?)", path) == "embed_load: the path of the model's file is missing"


def test_a_uri_is_not_a_path(con):
    message = raises(con, "SELECT embed_load('m', 's3://b/net.onnx')")
    assert "s3://b/net.onnx" in message and "writefile" in message


def test_without_a_recipe_the_refusal_shows_one_that_works(con, model):
    message = raises(con, "SELECT embed_load('m', ?)", str(model))
    by_name = re.search(r'\{"recipe": "\w+"\}', message).group()
    whole = re.search(r'\{"recipe": \{.*\}\}', message).group()
    for i, options in enumerate((by_name, whole)):
        # Our network takes 32 x 32; the recipe says 224: refused for that, not for what the recipe is.
        assert "224" in raises(con, "SELECT embed_load(?, ?, ?)", f"m{i}", str(model), options)
    assert str(model)[-40:] in message


@pytest.mark.parametrize(
    "name, config",
    [
        ("preprocessor_config.json", RECIPE),
        (
            "config.json",
            {
                "architecture": "mean",
                "pretrained_cfg": {
                    "input_size": [3, 32, 32],
                    "crop_pct": 1.0,
                    "interpolation": "bilinear",
                    "mean": [0.5, 0.5, 0.5],
                    "std": [0.25, 0.25, 0.25],
                },
            },
        ),
    ],
)
def test_the_recipe_beside_the_model_is_read(con, model, monkeypatch, name, config):
    (model.parent / name).write_text(json.dumps(config))
    got = load(con, "m", model)
    assert (got["input_height"], got["input_width"]) == (32, 32)
    monkeypatch.chdir(model.parent)
    assert load(con, "here", model.name)["recipe"] == got["recipe"]


def test_a_recipe_passed_comes_before_the_one_beside(con, model):
    (model.parent / "preprocessor_config.json").write_text(json.dumps(dict(RECIPE, image_mean=[0, 0, 0])))
    assert load(con, "m", model, recipe=RECIPE)["recipe"] != load(con, "n", model)["recipe"]


def test_a_broken_recipe_beside_is_named(con, model):
    beside = model.parent / "preprocessor_config.json"
    beside.write_text("{")
    message = raises(con, "SELECT embed_load('m', ?)", str(model))
    assert message.startswith(f"embed_load: {str(beside)[:200]}, read because no recipe was passed: ")


def test_normalize(con, model, apple):
    load(con, "as it is", model, recipe=RECIPE)
    got = load(con, "unit", model, recipe=RECIPE, normalize=1)
    assert got["normalize"] == 1
    plain, unit = vector(con, apple, "as it is"), vector(con, apple, "unit")
    assert math.sqrt(float(np.dot(unit, unit))) == pytest.approx(1, abs=1e-6)
    assert unit == pytest.approx(plain / np.linalg.norm(plain), abs=1e-6)
    assert abs(np.linalg.norm(plain) - 1) > 1e-3


def test_output_names_the_tensor(con, tmp_path):
    two = save(tmp_path / "two.onnx", outputs=("left", "right"))
    message = raises(con, "SELECT embed_load('m', ?, ?)", str(two), json.dumps({"recipe": RECIPE}))
    assert "left" in message and "right" in message
    assert load(con, "m", two, recipe=RECIPE, output="left")["dims"] == 3


def test_models_are_per_connection(connect, model, apple):
    a, b = connect(), connect()
    load(a, "m", model, recipe=RECIPE)
    assert names(b) == ["default"]
    load(b, "m", model, recipe=dict(RECIPE, image_mean=[0, 0, 0]))
    assert vector(a, apple, "m").tobytes() != vector(b, apple, "m").tobytes()


def test_a_model_outlives_the_connection_that_loaded_it_first(connect, model, apple):
    first, second = connect(), connect()
    load(first, "m", model, recipe=RECIPE)
    load(second, "m", model, recipe=RECIPE)
    want = vector(first, apple, "m").tobytes()
    first.close()
    assert vector(second, apple, "m").tobytes() == want


def test_a_model_file_may_change_after_loading(con, model, tmp_path, apple):
    load(con, "m", model, recipe=RECIPE)
    shutil.copy(save(tmp_path / "other.onnx", channels=5), model)
    load(con, "n", model, recipe=RECIPE)
    assert (len(vector(con, apple, "m")), len(vector(con, apple, "n"))) == (3, 5)


def test_unload_between_two_rows_of_a_statement(con, model, examples):
    """What is being made is made still; the next call says that there is none."""
    load(con, "m", model, recipe=RECIPE)
    rows = con.execute("SELECT embed(s3_get(key), 'm') FROM s3_objects(?)", (f"file:{examples}/apple/*.jpg",))
    assert len(rows.fetchone()[0]) == 12
    con.execute("SELECT embed_unload('m')")
    with pytest.raises(sqlite3.OperationalError, match="no model named 'm'"):
        rows.fetchall()


@pytest.mark.parametrize("call", ["embed_load('m', 'p')", "embed_unload('m')"])
def test_a_view_or_trigger_cannot_load_models(con, call):
    con.execute(f"CREATE VIEW v AS SELECT {call}")
    assert "unsafe use of embed_" in raises(con, "SELECT * FROM v")
    con.execute("CREATE TABLE t(x)")
    con.execute(f"CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT {call}; END")
    assert "unsafe use of embed_" in raises(con, "INSERT INTO t VALUES(1)")
