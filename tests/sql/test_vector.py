"""embed_json, embed_csv, embed_distance: vectors as text and how far they are from one another."""
import json
import math
import sqlite3
import struct

import numpy as np
import pytest


def blob(*values):
    return struct.pack(f"<{len(values)}f", *values)


def one(con, sql, *args):
    return con.execute(sql, args).fetchone()[0]


def test_text_reads_back_as_the_same_floats(con):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**32, 5000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    vector = values.tobytes()
    for text in (json.loads(one(con, "SELECT embed_json(?)", vector)), one(con, "SELECT embed_csv(?)", vector).split(",")):
        assert np.array(text, np.float64).astype(np.float32).tobytes() == vector


def test_text_is_short(con):
    assert one(con, "SELECT embed_json(?)", blob(0.1, 1, -2.5, 1 / 3, 16777216)) == "[0.1,1,-2.5,0.33333334,16777216]"
    assert one(con, "SELECT embed_csv(?)", blob(0.1, 1e-10)) == "0.1,1e-10"


def test_json_is_json_to_sqlites_functions(con):
    assert one(con, "SELECT json_object('v', embed_json(?))", blob(1, 2)) == '{"v":[1,2]}'
    assert con.execute("SELECT value FROM json_each(embed_json(?))", (blob(1, 2),)).fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("dims", [1, 3, 8, 257, 1280])
def test_distances_are_as_defined(con, dims):
    rng = np.random.default_rng(dims)
    for _ in range(20):
        a, b = rng.normal(size=(2, dims)).astype(np.float32)
        x, y = a.astype(np.float64), b.astype(np.float64)
        cosine = 1 - x @ y / math.sqrt((x @ x) * (y @ y))
        args = (a.tobytes(), b.tobytes())
        assert one(con, "SELECT embed_distance(?, ?)", *args) == pytest.approx(cosine, abs=1e-12)
        assert one(con, "SELECT embed_distance(?, ?, 'cosine')", *args) == one(con, "SELECT embed_distance(?, ?)", *args)
        assert one(con, "SELECT embed_distance(?, ?, 'l2')", *args) == pytest.approx(np.linalg.norm(x - y), rel=1e-12)
        assert one(con, "SELECT embed_distance(?, ?, 'dot')", *args) == pytest.approx(-(x @ y), rel=1e-9, abs=1e-9)


def test_a_vector_is_at_distance_0_of_itself(con):
    v = np.random.default_rng(2).normal(size=1280).astype(np.float32).tobytes()
    assert [one(con, f"SELECT embed_distance(?1, ?1, '{m}')", v) for m in ("cosine", "l2")] == [0, 0]


def test_a_vector_of_zeros_is_at_cosine_distance_1_and_never_first(con):
    con.execute("CREATE TABLE t(name, v)")
    con.executemany("INSERT INTO t VALUES(?, ?)", [("zeros", blob(0, 0)), ("near", blob(1, 0.1)), ("opposite", blob(-1, 0))])
    rows = con.execute("SELECT name, embed_distance(v, ?) AS d FROM t ORDER BY d", (blob(1, 0),)).fetchall()
    assert [r[0] for r in rows] == ["near", "zeros", "opposite"]
    assert dict(rows)["zeros"] == 1


@pytest.mark.parametrize(
    "sql",
    ["embed_json(NULL)", "embed_csv(NULL)", "embed_distance(NULL, x'00000000')", "embed_distance(x'00000000', NULL, 'l2')", "embed_distance(NULL, 'text')"],
)
def test_null_gives_null(con, sql):
    assert one(con, f"SELECT {sql}") is None


@pytest.mark.parametrize(
    "sql, message",
    [
        ("embed_json(x'')", "embed_json: the vector is empty"),
        ("embed_json(x'0000')", "embed_json: 2 bytes are no vector of float32, 4 bytes each"),
        ("embed_csv('[1,2]')", "embed_csv: a vector is a BLOB of float32, as embed() gives it, not TEXT"),
        ("embed_csv(7)", "embed_csv: a vector is a BLOB of float32, as embed() gives it, not an INTEGER"),
        ("embed_csv(7.5)", "embed_csv: a vector is a BLOB of float32, as embed() gives it, not a REAL"),
        ("embed_json(x'000000000000c07f')", "embed_json: element 1 of the vector is NaN"),
        ("embed_distance(x'0000807f', x'00000000')", "embed_distance: element 0 of the vector is infinite"),
        ("embed_distance(x'00000000', x'0000000000000000')", "embed_distance: the vectors have 1 and 2 elements: are they of one model?"),
        ("embed_distance(x'00000000', x'00000000', 'manhattan')", "embed_distance: the metric is 'cosine', 'l2' or 'dot', not 'manhattan'"),
        ("embed_distance(x'00000000', x'00000000', NULL)", "embed_distance: the metric is 'cosine', 'l2' or 'dot', not NULL"),
    ],
)
def test_what_is_no_vector_raises(con, sql, message):
    with pytest.raises(sqlite3.OperationalError) as caught:
        con.execute(f"SELECT {sql}").fetchall()
    assert str(caught.value) == message


def test_they_serve_indexes_generated_columns_and_views(con):
    """Deterministic and innocuous: arithmetic is no danger in anybody's database."""
    con.execute("PRAGMA trusted_schema = 0")
    con.execute("CREATE TABLE t(v, text GENERATED ALWAYS AS (embed_csv(v)))")
    con.execute("INSERT INTO t VALUES(?)", (blob(1, 2),))
    con.execute("CREATE INDEX i ON t(embed_distance(v, x'0000803f00000000'))")
    con.execute("CREATE VIEW w AS SELECT embed_json(v) AS j, text FROM t")
    assert con.execute("SELECT * FROM w").fetchall() == [("[1,2]", "1,2")]
    plan = con.execute("EXPLAIN QUERY PLAN SELECT * FROM t ORDER BY embed_distance(v, x'0000803f00000000')").fetchall()
    assert "USING INDEX i" in plan[0][3]
