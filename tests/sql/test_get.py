"""s3_get, s3_get_range, s3_head, image_info and embed over local folders: which object a call means, and how often it is fetched."""
import json
import sqlite3
import struct

import pytest
from test_objects import raises, spent, stats


@pytest.fixture
def photos(examples):
    return f"file:{examples}/*/*.jpg"


@pytest.fixture
def two(tmp_path):
    """Two folders with keys in common."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            (tmp_path / folder / name).write_text(f"{folder} {name}")
    return f"file:{tmp_path}/one", f"file:{tmp_path}/two"


# which object


def test_a_uri_or_bucket_and_key(con, two, tmp_path):
    assert con.execute("SELECT s3_get(?)", (two[0] + "/a",)).fetchone() == (b"one a",)
    assert con.execute("SELECT s3_get(?)", (f"file://{tmp_path}/two/b",)).fetchone() == (b"two b",)
    assert con.execute("SELECT s3_get(?, 'b')", (f"{tmp_path}/one",)).fetchone() == (b"one b",)
    assert con.execute("SELECT key, s3_get(bucket, key) FROM s3_objects(?)", (two[1],)).fetchall() == [("a", b"two a"), ("b", b"two b")]


def test_null_if_there_is_none(con, two):
    for uri in [two[0] + "/absent", two[0] + "/absent/a", "file:/nonexistent/x"]:
        assert con.execute("SELECT s3_get(?1), s3_get_range(?1, 0, 1), s3_head(?1)", (uri,)).fetchone() == (None, None, None)
    assert con.execute("SELECT s3_get(NULL), s3_get('b', NULL), s3_get(NULL, 'k'), s3_head(NULL)").fetchone() == (None,) * 4
    assert con.execute("SELECT s3_get('absent') FROM s3_objects(?) LIMIT 1", (two[0],)).fetchone() == (None,)


def test_the_row_at_the_cursor_comes_first(con, two):
    rows = con.execute("SELECT x.key, s3_get(x.key) FROM s3_objects(?) x, (SELECT 1 UNION ALL SELECT 2) WHERE x.key = 'a'", (two[0],)).fetchall()
    assert rows == [("a", b"one a")] * 2


def test_a_key_is_of_the_one_bucket_that_is_open(con, two):
    assert con.execute("SELECT s3_get('b') FROM s3_objects(?) WHERE key = 'a'", (two[0],)).fetchone() == (b"one b",)
    both = "SELECT s3_get({}) FROM s3_objects(?) o, s3_objects(?) p WHERE o.key = 'a' AND p.key = 'b'"
    assert con.execute(both.format("o.key"), two).fetchone() == (b"one a",)
    assert con.execute(both.format("p.key"), two).fetchone() == (b"two b",)
    assert con.execute(both.format("p.uri"), two).fetchone() == (b"two b",)
    assert "pass the uri" in raises(con, both.format("'c'").lower().replace("select", "SELECT"), *two).replace("Pass", "pass")


def test_a_key_of_two_open_buckets_raises(con, two):
    same = "SELECT s3_get(o.key) FROM s3_objects(?) o, s3_objects(?) p WHERE o.key = p.key"
    assert "'a' is the key of the rows of two buckets: pass the uri instead" in raises(con, same, *two)
    assert con.execute(same.replace("o.key)", "o.uri)"), two).fetchall() == [(b"one a",), (b"one b",)]


def test_without_a_bucket_a_key_raises(con):
    assert raises(con, "SELECT s3_get('k')") == (
        "s3_get: of which bucket is 'k'? Pass the uri, as in s3_get('s3://bucket/key'), or bucket and key, or set s3_config('bucket', 'name')")
    con.execute("SELECT s3_config('bucket', 'some-bucket')")
    assert "looks like a uri" in raises(con, "SELECT s3_get('s3://other/k')")
    assert "looks like a uri" in raises(con, "SELECT s3_get('file:/etc/passwd')")


HOSTILE = [
    "SELECT s3_get(key) FROM s3_objects(?)",
    "SELECT min(s3_get(key)) FROM s3_objects(?) GROUP BY folder",
    "SELECT group_concat(CAST(s3_get(key) AS TEXT)) FROM s3_objects(?) GROUP BY folder ORDER BY 1",
    "SELECT s3_get(key) FROM (SELECT key FROM s3_objects(?) ORDER BY size LIMIT 9)",
    "SELECT s3_get(key) FROM (SELECT DISTINCT key FROM s3_objects(?)) ORDER BY random()",
    "SELECT first_value(s3_get(key)) OVER (ORDER BY size) FROM s3_objects(?)",
    "SELECT s3_get(lag(key) OVER (ORDER BY key)) FROM s3_objects(?)",
]


@pytest.mark.parametrize("prefetch", [1, 0])
@pytest.mark.parametrize("sql", HOSTILE)
def test_a_key_that_looks_like_a_uri_stays_in_its_bucket(con, tmp_path, sql, prefetch):
    """file:///etc/passwd is a legal S3 key: s3_get(key) of a hostile bucket must not read elsewhere."""
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"outside")
    inside = tmp_path / "bucket" / f"file:{secret}"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"inside")
    (tmp_path / "bucket/zzz").write_bytes(b"inside")
    con.execute("SELECT s3_config('prefetch', ?)", (prefetch,))
    rows = con.execute(sql, (f"file:{tmp_path}/bucket",)).fetchall()
    assert rows and all(b"outside" not in row and "outside" not in str(row) for row in rows)
    assert any("inside" in str(row) for row in rows)
    keys = con.execute("SELECT key FROM s3_objects(?)", (f"file:{tmp_path}/bucket",)).fetchall()
    assert (f"file:{secret}",) in keys


# how often


def test_two_calls_in_one_row_cost_one_get(con, photos):
    for calls in ["length(s3_get(key)), length(embed(s3_get(key))), hex(s3_get(uri)), body", "length(body), embed(body), s3_get(bucket, key), error"]:
        rows, cost = spent(con, f"SELECT {calls} FROM s3_objects(?) LIMIT 5", photos)
        assert len(rows) == 5 and cost["gets"] == 5


@pytest.mark.parametrize("sql", [
    "SELECT folder, count(embed(s3_get(key))) FROM s3_objects(?) GROUP BY folder",
    "SELECT folder, count(embed(s3_get(uri))) FROM s3_objects(?) GROUP BY folder",
    "SELECT folder, sum(length(embed(body))) FROM s3_objects(?) GROUP BY folder",
    "SELECT key, embed(s3_get(key)) FROM (SELECT key FROM s3_objects(?) ORDER BY folder LIMIT 99)",
])
def test_look_ahead_after_a_sorter(con, photos, sql):
    """Keys that a live cursor listed before: ahead again, in listing order, each fetched once."""
    rows, cost = spent(con, sql, photos)
    assert cost["gets"] == 36
    con.execute("SELECT s3_config('prefetch', 0)")
    assert con.execute(sql, (photos,)).fetchall() == rows


def test_groups_that_are_spread_over_the_listing_fetch_nothing_in_vain(con, tmp_path):
    """Train/x, Train/y, Test/x, Test/y by folder: the listing is read again from each group's first key, to the end of its folder."""
    for folder in ("Test/x", "Test/y", "Train/x", "Train/y"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(40):
            (tmp_path / folder / f"{i:02}").write_text(folder)
    sql = "SELECT folder, count(*), group_concat(DISTINCT CAST(s3_get(key) AS TEXT)) FROM s3_objects(?) GROUP BY folder"
    rows, cost = spent(con, sql, f"file:{tmp_path}")
    assert rows == [("x", 80, "Test/x,Train/x"), ("y", 80, "Test/y,Train/y")]
    assert (cost["gets"], cost["objects_wasted"]) == (160, 0)


def test_keys_in_no_order_are_got_one_by_one(con, photos):
    sql = "SELECT length(s3_get(key)) FROM (SELECT key FROM s3_objects(?) ORDER BY size, name LIMIT 99)"
    rows, cost = spent(con, sql, photos)
    assert len(rows) == 36 and 36 <= cost["gets"] <= 42 and cost["lists"] <= 40


NUMBERS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n)"


@pytest.mark.parametrize("sql", [
    f"SELECT s3_get(?1 || '/a') FROM {NUMBERS}",
    f"SELECT s3_get(o.key) FROM {NUMBERS} LEFT JOIN s3_objects(?1) o ON o.key = CASE WHEN i > 0 THEN 'a' END",
])
def test_over_20_gets_one_by_one_leave_a_hint(con, two, sql):
    assert len(con.execute(sql.format(20), (two[0],)).fetchall()) == 20
    assert con.execute("SELECT count(*) FROM s3_errors").fetchone() == (0,)
    assert len(con.execute(sql.format(21), (two[0],)).fetchall()) == 21
    ((code, message),) = con.execute("SELECT code, message FROM s3_errors").fetchall()
    assert code == "Hint" and "WHERE key IN (SELECT key FROM list)" in message


# what may go wrong with one object


def change_b(con, path):
    """change(key), called in each row: b is another object from then on; gone(key): there is none."""
    con.create_function("change", 1, lambda key: (path / "b").write_text("another") if key == "b" else 0)
    con.create_function("gone", 1, lambda key: (path / "b").unlink() if key == "b" else 0)
    con.execute("SELECT s3_config('prefetch', 0)")


def test_an_object_that_changed_or_vanished_since_raises(con, two, tmp_path):
    change_b(con, tmp_path / "one")
    assert "changed" in raises(con, "SELECT change(key), s3_get(key) FROM s3_objects(?)", two[0])
    assert f"{tmp_path}/one/b: no such file" in raises(con, "SELECT gone(key), s3_get(key) FROM s3_objects(?)", two[0])
    change_b(con, tmp_path / "two")
    message = raises(con, "SELECT change(key), body FROM s3_objects(?)", two[1])
    assert message.startswith("s3_objects.body: ") and "changed" in message


def test_on_error_null_covers_an_object_and_keeps_the_reason(con, two, tmp_path):
    con.execute("SELECT s3_config('on_error', 'null')")
    change_b(con, tmp_path / "one")
    rows = con.execute("SELECT key, change(key), s3_get(key), body, error FROM s3_objects(?)", (two[0],)).fetchall()
    assert rows[0] == ("a", 0, b"one a", b"one a", None)
    assert rows[1][:4] == ("b", 7, None, None) and "changed" in rows[1][4]
    assert set(con.execute("SELECT function, uri, code FROM s3_errors")) == {
        (name, f"file://{tmp_path}/one/b", "Changed") for name in ("s3_get", "s3_objects.body")}
    assert "no such folder" in raises(con, "SELECT * FROM s3_objects('file:/nonexistent')")
    assert "of which bucket" in raises(con, "SELECT s3_get('k')")
    assert "absent" in raises(con, "SELECT embed(x'00', 'absent')")


def test_an_object_longer_than_the_limit_raises_before_its_body_is_read(con, two, tmp_path):
    (tmp_path / "one/big").write_bytes(bytes(5000))
    con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4000)
    before = stats(con)["bytes"]
    for sql in ["SELECT s3_get(?1 || '/big')", "SELECT s3_get(key) FROM s3_objects(?) WHERE key = 'big'", "SELECT body FROM s3_objects(?) WHERE key = 'big'"]:
        with pytest.raises(sqlite3.DataError, match="big"):
            con.execute(sql, (two[0],)).fetchall()
    assert stats(con)["bytes"] == before
    assert con.execute("SELECT length(s3_get_range(?1 || '/big', 100, 3000))", (two[0],)).fetchone() == (3000,)


def test_a_failed_statement_leaves_the_transaction(con, two):
    con.execute("CREATE TABLE t(v)")
    con.execute("BEGIN")
    con.execute("INSERT INTO t VALUES (1)")
    for sql in ["INSERT INTO t SELECT embed(s3_get(key)) FROM s3_objects(?)", "INSERT INTO t SELECT s3_get_range(uri, 99, 1) FROM s3_objects(?)",
                "INSERT INTO t SELECT key FROM s3_objects(? || '/absent')"]:
        raises(con, sql, two[0])
        assert con.in_transaction
    con.execute("COMMIT")
    assert con.execute("SELECT v FROM t").fetchall() == [(1,)]


# range and head


def test_ranges(con, two):
    uri = two[0] + "/a"
    for offset, length, want in [(0, 3, b"one"), (4, 1, b"a"), (4, 99, b"a"), (0, 99, b"one a")]:
        assert con.execute("SELECT s3_get_range(?, ?, ?)", (uri, offset, length)).fetchone() == (want,)
    assert "offset 99 is behind its 5 bytes" in raises(con, "SELECT s3_get_range(?, 99, 1)", uri)
    for offset, length in [(-1, 1), (0, 0), (0, -5)]:
        assert "offset of 0 or more and a length of 1 or more" in raises(con, "SELECT s3_get_range(?, ?, ?)", uri, offset, length)
    assert con.execute("SELECT key, s3_get_range(key, 0, 1) FROM s3_objects(?)", (two[1],)).fetchall() == [("a", b"t"), ("b", b"t")]


def test_head_is_json(con, two):
    head = json.loads(con.execute("SELECT s3_head(?)", (two[0] + "/a",)).fetchone()[0])
    assert list(head) == ["size", "etag", "last_modified", "content_type", "storage_class", "metadata"]
    size, etag, modified = con.execute("SELECT size, etag, last_modified FROM s3_objects(?) WHERE key = 'a'", (two[0],)).fetchone()
    assert (head["size"], head["etag"], head["last_modified"], head["metadata"]) == (size, etag, modified, {})
    assert con.execute("SELECT json_extract(s3_head(?), '$.size')", (two[0] + "/a",)).fetchone() == (5,)


# images


def test_embed(con, photos, examples):
    ((vector, kind),) = con.execute("SELECT embed(s3_get(key)), typeof(embed(s3_get(key))) FROM s3_objects(?) LIMIT 1", (photos,)).fetchall()
    assert kind == "blob" and len(vector) % 4 == 0 and len(vector) > 0
    floats = struct.unpack(f"<{len(vector) // 4}f", vector)
    assert all(abs(x) < 1e6 for x in floats)
    bytes_ = sorted(examples.glob("*/*.jpg"))[0].read_bytes()
    assert con.execute("SELECT embed(?)", (bytes_,)).fetchone() == (vector,)
    assert con.execute("SELECT embed(?, 'default')", (bytes_,)).fetchone() == (vector,)
    assert con.execute("SELECT embed(NULL), image_info(NULL)").fetchone() == (None, None)


@pytest.mark.parametrize("form", [
    "embed(s3_get(key))", "embed(body)", "embed(coalesce(s3_get(key), x'00'))", "embed(CASE WHEN size > 0 THEN s3_get(key) END)",
    "embed(s3_get(uri), 'default')", "embed(CAST(s3_get(key) AS BLOB))", "embed(substr(s3_get(key), 1))", "embed(s3_get(key) || x'')",
])
def test_embed_of_a_rows_bytes_is_that_of_the_bytes(con, photos, examples, form):
    """Pointer or copy, ahead or in place: the same vector."""
    want = {str(p.relative_to(examples)): con.execute("SELECT embed(?)", (p.read_bytes(),)).fetchone()[0] for p in sorted(examples.glob("*/*.jpg"))}
    if "||" in form:
        form = "embed(CAST(s3_get(key) || x'' AS BLOB))"
    for prefetch in (1, 0):
        con.execute("SELECT s3_config('prefetch', ?)", (prefetch,))
        assert dict(con.execute(f"SELECT key, {form} FROM s3_objects(?)", (photos,)).fetchall()) == want


def test_vectors_are_made_once_a_row(con, photos):
    _, cost = spent(con, "SELECT length(embed(s3_get(key))), embed(body), embed_json(embed(s3_get(uri))) FROM s3_objects(?) LIMIT 5", photos)
    assert cost["vectors_made"] == 5


def test_vectors_are_made_ahead(con, photos):
    _, cost = spent(con, "SELECT embed(s3_get(key)) FROM s3_objects(?)", photos)
    assert cost["vectors_made"] == 36 and cost["objects_wasted"] == 0


def test_undecodable_bytes_raise_with_their_uri(con, tmp_path):
    (tmp_path / "k").write_bytes(b"<?xml version='1.0'?>")
    want = (f"embed: not an image we read: 21 bytes beginning 3c3f786d, file://{tmp_path}/k; "
            "skip others with a glob such as s3://b/**/*.jpg, or s3_config('on_error','null')")
    assert raises(con, "SELECT embed(s3_get(key)) FROM s3_objects(?)", f"file:{tmp_path}") == want
    assert raises(con, "SELECT embed(s3_get(?))", f"file:{tmp_path}/k") == want
    assert raises(con, "SELECT image_info(s3_get(?))", f"file:{tmp_path}/k") == want.replace("embed:", "image_info:")
    assert "21 bytes beginning 3c3f786d; skip" in raises(con, "SELECT embed(?)", b"<?xml version='1.0'?>")
    con.execute("SELECT s3_config('on_error', 'null')")
    assert con.execute("SELECT embed(s3_get(key)), image_info(body) FROM s3_objects(?)", (f"file:{tmp_path}",)).fetchone() == (None, None)
    assert (f"file://{tmp_path}/k",) in con.execute("SELECT uri FROM s3_errors WHERE function = 'embed'").fetchall()


def test_what_is_not_bytes_raises(con):
    for value in ["text", 1, 2.5]:
        assert "takes the bytes of an image" in raises(con, "SELECT embed(?)", value)
        assert "takes the bytes of an image" in raises(con, "SELECT image_info(?)", value)
    assert "wrong number of arguments" in raises(con, "SELECT embed()")
    assert "absent" in raises(con, "SELECT embed(x'ffd8', 'absent')")


def test_image_info(con, photos):
    ((info,),) = con.execute("SELECT image_info(body) FROM s3_objects(?) LIMIT 1", (photos,)).fetchall()
    info = json.loads(info)
    assert list(info) == ["format", "width", "height", "channels", "orientation"]
    assert info["format"] == "jpeg" and info["channels"] == 3 and info["orientation"] == 1 and info["width"] > 0
    assert con.execute("SELECT json_extract(image_info(body), '$.format') FROM s3_objects(?) LIMIT 1", (photos,)).fetchone() == ("jpeg",)


def test_embed_in_a_view_of_the_database(con):
    """embed and image_info are plain functions over bytes."""
    con.execute("CREATE VIEW v AS SELECT embed(NULL), image_info(NULL)")
    assert con.execute("SELECT * FROM v").fetchone() == (None, None)


# settings


def test_config_reads_back_what_was_set(con):
    assert con.execute("SELECT s3_config('prefetch'), s3_config('region'), s3_config('on_error')").fetchone() == (1, None, "raise")
    assert con.execute("SELECT s3_config('region', 'eu-west-3'), s3_config('region')").fetchone() == ("eu-west-3", "eu-west-3")
    assert con.execute("SELECT s3_config('region', NULL)").fetchone() == (None,)
    assert con.execute("SELECT s3_config('max_connections', 8)").fetchone() == (8,)
    for name in ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]:
        assert con.execute("SELECT s3_config(?1, 'hush'), s3_config(?1)", (name,)).fetchone() == ("<redacted>", "<redacted>")
    assert "hush" not in str(con.execute("SELECT * FROM s3_errors").fetchall())


@pytest.mark.parametrize("name, value, says", [
    ("regoin", "x", "there is no setting 'regoin'; there is region"),
    ("max_connection", 1, "there is max_connections"),
    ("aws_secret", "x", "there is aws_secret_access_key"),
    ("zzz", 1, "there is region, profile, endpoint_url"),
    ("prefetch", 2, "prefetch takes a whole number from 0 to 1"),
    ("prefetch", "yes", "prefetch takes a whole number from 0 to 1"),
    ("max_attempts", 21, "max_attempts takes a whole number from 1 to 20"),
    ("connect_timeout", "-1", "connect_timeout takes a number from 0.001 to 3600"),
    ("on_error", "ignore", "on_error takes one of raise|null"),
    ("addressing_style", "", "addressing_style takes one of auto|path|virtual"),
    ("region", "a\nb", "region takes one line"),
])
def test_config_says_what_is_wrong(con, name, value, says):
    assert says in raises(con, "SELECT s3_config(?, ?)", name, value)


def test_settings_are_per_connection(connect):
    first, second = connect(), connect()
    first.execute("SELECT s3_config('on_error', 'null')")
    assert second.execute("SELECT s3_config('on_error')").fetchone() == ("raise",)


# the second entry point


def test_nonet_has_what_works_on_bytes_alone():
    from conftest import MODULE

    con = sqlite3.connect(":memory:")
    con.enable_load_extension(True)
    con.execute("SELECT load_extension(?, 'sqlite3_sembednonet_init')", (str(MODULE.with_suffix("")),))
    assert con.execute("SELECT embed(NULL), image_info(NULL), embed_json(NULL), embed_csv(NULL), embed_distance(NULL, NULL)").fetchone() == (None,) * 5
    ours = {"s3_get", "s3_get_range", "s3_head", "s3_config", "embed_load", "embed_unload", "s3embed_debug"}
    assert not ours & {name for (name,) in con.execute("SELECT name FROM pragma_function_list")}
    assert "s3_objects" not in {name for (name,) in con.execute("SELECT name FROM pragma_module_list")}
    con.close()


def test_loaded_twice(connect):
    from conftest import load

    con = load(connect())
    assert con.execute("SELECT s3_config('prefetch')").fetchone() == (1,)
