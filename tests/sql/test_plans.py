"""What SQLite offers a virtual table in odd ways: the rows are those of an ordinary table."""
import os
import signal
import sqlite3

import pytest
import servers

SIXTEEN = " AND ".join(f"size <> {900 + i}" for i in range(16))


@pytest.fixture
def target(con, tmp_path):
    """Eight files of two sizes; the same in the table `copy`."""
    for i in range(8):
        (tmp_path / "few").mkdir(exist_ok=True)
        (tmp_path / "few" / f"k{i}").write_bytes(b"x" * (5 + i % 2))
    con.execute("CREATE TABLE copy(key TEXT, size INTEGER)")
    con.execute("INSERT INTO copy SELECT key, size FROM s3_objects(?)", (f"file:{tmp_path}/few",))
    return f"file:{tmp_path}/few"


@pytest.mark.parametrize("rest", [
    "WHERE (size, key) > (5, 'zzz') LIMIT 2", "WHERE (size, key) < (6, 'k3') ORDER BY key LIMIT 5", "WHERE (size, key) >= (5, 'k4') LIMIT 3 OFFSET 2",
    "WHERE (key, size) > ('k1', 5) ORDER BY key LIMIT 3", "WHERE size >= 6 ORDER BY key LIMIT 2 OFFSET 1", "WHERE size BETWEEN 5 AND 6 LIMIT 3 OFFSET 4",
    "LIMIT 3 OFFSET 2", "LIMIT 9223372036854775807 OFFSET 9223372036854775807", f"WHERE {SIXTEEN} LIMIT 3 OFFSET 2",
])
def test_limit_counts_rows_as_sqlite_does(con, target, rest):
    theirs = con.execute(f"SELECT key FROM copy {rest}").fetchall()
    assert con.execute(f"SELECT key FROM s3_objects(?) {rest}", (target,)).fetchall() == theirs


@pytest.mark.parametrize("rest", ["LIMIT 3 OFFSET 1", "LIMIT 9 OFFSET 1", "LIMIT 2 OFFSET 9", "LIMIT 1 OFFSET 8", "LIMIT -1 OFFSET 3"])
@pytest.mark.parametrize("arms", ["SELECT 'x' UNION ALL SELECT key FROM {0}", "SELECT key FROM {0} UNION ALL SELECT 'x'",
                                  "SELECT key FROM {0} UNION ALL SELECT key FROM {0}"])
def test_limit_and_offset_of_a_union(con, target, arms, rest):
    ours = con.execute(f"{arms.format('s3_objects(?1)')} {rest}", (target,)).fetchall()
    assert ours == con.execute(f"{arms.format('copy')} {rest}").fetchall()


def test_a_table_beside_many_comparisons(con, target):
    """SQLite looks at all but the first sixteen again, the target among them."""
    many = " AND ".join(f"folder <> 'f{i}'" for i in range(20))
    parent = target.removesuffix("/few")
    assert con.execute(f"SELECT folder FROM s3_folders WHERE {many} AND target = ?", (parent,)).fetchall() == [("few",)]
    assert con.execute("SELECT target FROM s3_folders(?)", (parent,)).fetchall() == [(parent,)]
    assert len(con.execute(f"SELECT key FROM s3_objects WHERE {SIXTEEN} AND target = ?", (target,)).fetchall()) == 8


def test_an_upper_bound_of_numeric_affinity_does_not_end_the_listing(con, target, tmp_path):
    """'5' is less than the text '!' where an INTEGER column holds that."""
    (tmp_path / "few/5").write_bytes(b"x")
    con.execute("CREATE TABLE odd(n INTEGER)")
    con.execute("INSERT INTO odd VALUES ('!')")
    con.execute("INSERT INTO copy VALUES ('5', 1)")
    for operator in ("<", "<="):
        theirs = con.execute(f"SELECT key FROM copy WHERE key {operator} (SELECT n FROM odd)").fetchall()
        assert theirs == [("5",)]
        assert con.execute(f"SELECT key FROM s3_objects(?) WHERE key {operator} (SELECT n FROM odd)", (target,)).fetchall() == theirs


def test_an_encoding_chosen_after_the_first_use(connect, target):
    fresh = connect()
    fresh.execute("SELECT count(*) FROM s3_objects(?)", (target,)).fetchall()
    fresh.execute("PRAGMA encoding = 'UTF-16le'")
    fresh.execute("CREATE TABLE t(x)")
    sorts = any("B-TREE" in row[3] for row in fresh.execute("EXPLAIN QUERY PLAN SELECT key FROM s3_objects('b') ORDER BY key"))
    assert sorts == (fresh.execute("PRAGMA encoding").fetchone() != ("UTF-8",))


SHUFFLED = ["b", "a", "c"]


@pytest.mark.parametrize("rest, raises", [("", False), (" WHERE size > 0", False), (" ORDER BY key DESC", False), (" ORDER BY key", True),
                                          (" WHERE key < 'x'", True), (" WHERE key >= 'a'", True)])
def test_a_store_that_breaks_the_order_of_keys(con, monkeypatch, rest, raises):
    """It is told where rows would be wrong or missing, and nowhere else."""
    keys = "".join(f"<Contents><Key>{k}</Key><Size>1</Size></Contents>" for k in SHUFFLED)
    page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>".encode()
    with servers.scripted(lambda method, path: (200, {}, page)) as url:
        for name, value in {"AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        sql = f"SELECT key FROM s3_objects('bucket'){rest}"
        if raises:
            with pytest.raises(sqlite3.Error, match="order"):
                con.execute(sql).fetchall()
        else:
            assert sorted(con.execute(sql).fetchall()) == [("a",), ("b",), ("c",)]


def test_a_statement_that_a_forked_child_inherits(target, connect):
    """It ends with a sentence there, and goes on in the parent."""
    con = connect()
    rows = con.execute("SELECT key, length(s3_get(key)) FROM s3_objects(?)", (target,))
    rows.fetchone()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            rows.fetchall()
        except sqlite3.Error as error:
            os._exit(0 if "begun before fork" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(rows.fetchall()) == 7


def test_the_path_of_a_model_is_a_text(con):
    for value in (b"models/s3embed_default.onnx", 5):
        with pytest.raises(sqlite3.Error, match="embed_load: the path of the model's file is a text"):
            con.execute("SELECT embed_load('m', ?)", (value,)).fetchall()


def test_an_empty_image_is_named(con, tmp_path):
    (tmp_path / "none.jpg").write_bytes(b"")
    for sql, argument in [("SELECT embed(s3_get(key)) FROM s3_objects(?)", f"file:{tmp_path}"), ("SELECT embed(body) FROM s3_objects(?)", f"file:{tmp_path}"),
                          ("SELECT embed(s3_get(?))", f"file:{tmp_path}/none.jpg")]:
        with pytest.raises(sqlite3.Error, match=f"embed: not an image: 0 bytes, file://{tmp_path}/none.jpg; skip others"):
            con.execute(sql, (argument,)).fetchall()
    con.execute("SELECT s3_config('on_error', 'null')")
    assert con.execute("SELECT embed(s3_get(key)) FROM s3_objects(?)", (f"file:{tmp_path}",)).fetchall() == [(None,)]
    uri, message = con.execute("SELECT uri, message FROM s3_errors ORDER BY rowid DESC LIMIT 1").fetchone()
    assert (uri, message) == (f"file://{tmp_path}/none.jpg", f"not an image: 0 bytes, file://{tmp_path}/none.jpg")
