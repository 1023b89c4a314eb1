"""s3_folders, s3_buckets, s3_errors, s3_stats, embed_models: the small tables."""
import datetime
import json
import re
import sqlite3

import pytest


@pytest.fixture
def photos(tmp_path):
    """A folder of folders; 'file:' of it."""
    for name in ("apple/1.jpg", "apple/2.jpg", "banana/1.jpg", "banana/ripe/3.jpg", "top.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return f"file:{tmp_path}/photos"


def raises(con, sql, *args):
    with pytest.raises(sqlite3.Error) as caught:
        con.execute(sql, args).fetchall()
    return str(caught.value)


def stats(con):
    return dict(con.execute("SELECT name, value FROM s3_stats"))


# s3_folders


def test_folders_are_those_right_below(con, photos):
    assert con.execute("SELECT folder FROM s3_folders(?) ORDER BY folder", (photos,)).fetchall() == [("apple",), ("banana",)]
    assert con.execute("SELECT folder FROM s3_folders(?)", (photos + "/banana",)).fetchall() == [("ripe",)]
    assert con.execute("SELECT folder FROM s3_folders(?)", (photos + "/banana/ripe",)).fetchall() == []


def test_a_folder_joins_with_the_objects_in_it(con, photos):
    sql = "SELECT f.folder, count(*) FROM s3_folders(?1) f JOIN s3_objects(?1) o ON o.folder = f.folder GROUP BY 1 ORDER BY 1"
    assert con.execute(sql, (photos,)).fetchall() == [("apple", 2), ("banana", 1)]


def test_the_uri_of_a_folder_is_a_target(con, photos):
    sql = "SELECT f.folder, o.name FROM s3_folders(?) f, s3_objects(f.uri) o ORDER BY 1, 2"
    assert con.execute(sql, (photos,)).fetchall() == [("apple", "1.jpg"), ("apple", "2.jpg"), ("banana", "1.jpg"), ("banana", "3.jpg")]


def test_folders_of_several_targets_at_once(con, photos):
    sql = "SELECT folder FROM s3_folders WHERE target IN (?1, ?1 || '/banana') ORDER BY 1"
    assert con.execute(sql, (photos,)).fetchall() == [("apple",), ("banana",), ("ripe",)]
    sql = """SELECT folder FROM s3_folders WHERE (target = ?1 AND folder = 'apple')
             OR (target = ?1 || '/banana' AND folder = 'ripe') ORDER BY 1"""
    assert con.execute(sql, (photos,)).fetchall() == [("apple",), ("ripe",)]


def test_the_target_may_come_from_another_table(con, photos):
    con.execute("CREATE TABLE t(target)")
    con.execute("INSERT INTO t VALUES(?)", (photos,))
    assert con.execute("SELECT count(*) FROM t, s3_folders(t.target)").fetchone() == (2,)
    assert con.execute("SELECT count(*) FROM s3_folders f, t WHERE f.target = t.target").fetchone() == (2,)


@pytest.mark.parametrize("sql", ["SELECT * FROM s3_folders", "SELECT * FROM s3_folders(NULL)", "SELECT * FROM s3_folders WHERE target > 'a'"])
def test_folders_need_a_target(con, sql):
    assert raises(con, sql) == "s3_folders: an argument is missing, as in s3_folders('bucket')"


def test_folders_of_a_glob_raise_with_what_to_do(con, photos):
    message = raises(con, "SELECT * FROM s3_folders(?)", photos + "/*/*.jpg")
    assert message.startswith("s3_folders: file:") and "SELECT DISTINCT folder FROM s3_objects" in message


def test_folders_of_what_is_not_there_raise(con, photos):
    assert "absent" in raises(con, "SELECT * FROM s3_folders(?)", photos + "/absent/")
    assert raises(con, "SELECT * FROM s3_folders('Not_A_Bucket')").startswith("s3_folders: ")


def test_too_many_arguments_raise(con):
    for call in ("s3_folders('b', 1)", "s3_buckets('b')", "s3_errors(1)", "s3_stats(1)", "embed_models(1)"):
        assert "too many arguments" in raises(con, f"SELECT * FROM {call}")


def test_folders_on_a_server_are_those_of_aws_s3_ls(s3, use, con):
    name = f"folders-{s3.name}"
    keys = ["apple_6/1.jpg", "apple_6/2.jpg", "banana/x/1.jpg", "b o&d%41+/1.jpg", "top.jpg"]
    client = s3.bucket(name, {k: b"x" for k in keys})
    for prefix in ("", "apple", "banana/"):
        listed = client.list_objects_v2(Bucket=name, Prefix=prefix, Delimiter="/").get("CommonPrefixes", [])
        want = [(p["Prefix"].rstrip("/").split("/")[-1], f"s3://{name}/{p['Prefix']}") for p in listed]
        assert con.execute("SELECT folder, uri FROM s3_folders(?)", (f"s3://{name}/{prefix}",)).fetchall() == want
    assert con.execute("SELECT count(*) FROM s3_folders(?)", (name,)).fetchone() == (3,)


def test_folders_of_a_bucket_that_does_not_exist_raise(use, con):
    assert "no-such-bucket-here" in raises(con, "SELECT * FROM s3_folders('no-such-bucket-here')")


# s3_buckets


def test_buckets_are_those_of_the_account(s3, use, con):
    client = s3.client()
    for name in (f"one-{s3.name}", f"two-{s3.name}"):
        client.create_bucket(Bucket=name)
    want = {b["Name"]: b["CreationDate"].replace(microsecond=0) for b in client.list_buckets()["Buckets"]}
    cursor = con.execute("SELECT * FROM s3_buckets")
    assert [d[0] for d in cursor.description] == ["name", "region", "created"]
    rows = cursor.fetchall()
    got = {name: datetime.datetime.fromisoformat(created.replace("Z", "+00:00")) for name, _, created in rows}
    assert got == want
    assert all(region is None or re.fullmatch(r"[a-z0-9-]+", region) for _, region, _ in rows)
    assert con.execute("SELECT date(created) IS NOT NULL FROM s3_buckets").fetchall() == [(1,)] * len(want)


# s3_errors


def test_errors_are_kept_with_their_reason(con):
    message = raises(con, "SELECT s3_get('k')")
    cursor = con.execute("SELECT * FROM s3_errors")
    assert [d[0] for d in cursor.description] == ["time", "function", "uri", "code", "message"]
    ((time, function, _, code, said),) = cursor.fetchall()
    assert function == "s3_get" and code and message == f"s3_get: {said}"
    age = con.execute("SELECT unixepoch('now') - unixepoch(?)", (time,)).fetchone()[0]
    assert 0 <= age <= 5


@pytest.mark.parametrize(
    "sql, name, code",
    [
        ("s3_get('s3://Bad_Bucket/k')", "SQLITE_ERROR", "Input"),
        ("s3_get_range('file:{0}/a.jpg', -1, 2)", "SQLITE_RANGE", "Range"),
        ("embed(s3_get('file:{0}/a.jpg'))", "SQLITE_ERROR", "Format"),
        ("embed_load('m', '{0}/absent.onnx')", "SQLITE_ERROR", "NotFound"),
        ("length(s3_get('file:{0}/big.jpg'))", "SQLITE_TOOBIG", "Limit"),
        ("(SELECT count(*) FROM s3_buckets)", "SQLITE_AUTH", "Auth"),
    ],
)
def test_each_kind_of_error_has_its_code(con, tmp_path, sql, name, code):
    """The map of docs/ERRORS.md; sqlite3.Error covers them all."""
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "big.jpg").write_bytes(bytes(100_000))
    con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 50_000)
    with pytest.raises(sqlite3.Error) as caught:
        con.execute("SELECT " + sql.format(tmp_path)).fetchall()
    assert caught.value.sqlite_errorname == name
    assert con.execute("SELECT code FROM s3_errors").fetchall() == [(code,)]


@pytest.mark.parametrize("call", ["embed_json(x'00')", "s3_get('s3://Bad_Bucket/k')", "embed_load('m', 'absent.onnx')"])
def test_an_error_leaves_the_transaction_open(con, call):
    con.execute("CREATE TABLE t(x)")
    con.execute("BEGIN")
    con.execute("INSERT INTO t VALUES(1)")
    raises(con, f"INSERT INTO t SELECT {call}")
    assert con.in_transaction
    con.execute("COMMIT")
    assert con.execute("SELECT * FROM t").fetchall() == [(1,)]


def test_errors_hold_what_on_error_null_hid(con, tmp_path):
    (tmp_path / "no.jpg").write_bytes(b"<?xml version='1.0'?>")
    con.execute("SELECT s3_config('on_error', 'null')")
    rows = con.execute("SELECT embed(s3_get(key)) FROM s3_objects(?)", (f"file:{tmp_path}",)).fetchall()
    assert rows == [(None,)]
    ((function, uri, message),) = con.execute("SELECT function, uri, message FROM s3_errors").fetchall()
    assert function == "embed" and uri.endswith("/no.jpg") and "not an image we read" in message


def test_errors_are_the_last_hundred_the_oldest_first(con):
    for i in range(150):
        raises(con, "SELECT embed_json(zeroblob(?))", 4 * i + 1)
    rows = con.execute("SELECT message FROM s3_errors").fetchall()
    assert len(rows) == 100
    assert [int(m.split()[0]) for m, in rows] == [4 * i + 1 for i in range(50, 150)]


def test_the_same_error_again_is_one_row(con):
    for _ in range(5):
        raises(con, "SELECT embed_json(x'00')")
    assert con.execute("SELECT count(*) FROM s3_errors").fetchone() == (1,)


def test_errors_are_per_connection(connect):
    a, b = connect(), connect()
    raises(a, "SELECT embed_json(x'00')")
    assert b.execute("SELECT count(*) FROM s3_errors").fetchone() == (0,)


def test_no_error_shows_a_secret(use, con):
    con.execute("SELECT s3_config('aws_access_key_id', 'AKIDEXAMPLE'), s3_config('aws_secret_access_key', 'VerySecretIndeed')")
    raises(con, "SELECT * FROM s3_folders('no-such-bucket-here')")
    text = json.dumps(con.execute("SELECT * FROM s3_errors").fetchall())
    assert "VerySecretIndeed" not in text and "Signature" not in text


# s3_stats


def test_stats_have_these_names(con):
    assert list(stats(con)) == (
        "requests lists gets heads bytes retries failures objects_fetched objects_asked objects_wasted "
        "vectors_made vectors_made_ahead wait_us images decode_us inference_us"
    ).split()
    assert all(isinstance(value, int) for value in stats(con).values())


def test_stats_count_what_a_statement_did(con, examples):
    before = stats(con)
    rows = con.execute("SELECT embed(s3_get(key)), size FROM s3_objects(?)", (f"file:{examples}/apple",)).fetchall()
    after = stats(con)
    rise = {name: after[name] - before[name] for name in after}
    assert len(rows) == 12
    assert rise["objects_asked"] == rise["vectors_made"] == rise["images"] == 12
    assert rise["bytes"] == sum(size for _, size in rows)
    assert rise["requests"] == rise["lists"] + rise["gets"] + rise["heads"]
    assert rise["decode_us"] > 0 and rise["inference_us"] > 0


def test_stats_are_of_the_process(connect, photos):
    a, b = connect(), connect()
    before = stats(b)["lists"]
    a.execute("SELECT count(*) FROM s3_objects(?)", (photos,)).fetchall()
    assert stats(b)["lists"] > before


# all


@pytest.mark.parametrize("table", ["s3_folders('b')", "s3_buckets"])
def test_tables_that_reach_a_store_are_not_for_views(con, table):
    con.execute(f"CREATE VIEW v AS SELECT * FROM {table}")
    assert "unsafe use of virtual table" in raises(con, "SELECT * FROM v")
    con.execute(f"CREATE TEMP VIEW mine AS SELECT * FROM {table}")
    con.execute("EXPLAIN SELECT * FROM mine")


def test_tables_of_our_own_memory_serve_views(con):
    for table in ("s3_errors", "s3_stats", "embed_models"):
        con.execute(f"CREATE VIEW v_{table} AS SELECT count(*) FROM {table}")
        con.execute(f"SELECT * FROM v_{table}").fetchall()


@pytest.mark.parametrize("table", ["s3_folders", "s3_buckets", "s3_errors", "s3_stats", "embed_models"])
def test_tables_are_there_without_create_and_read_only(con, table):
    raises(con, f"CREATE VIRTUAL TABLE mine USING {table}")
    assert "may not be modified" in raises(con, f"DELETE FROM {table}")


def test_version_and_debug(con):
    assert re.fullmatch(r"\d+\.\d+\.\d+", con.execute("SELECT s3embed_version()").fetchone()[0])
    debug = json.loads(con.execute("SELECT s3embed_debug()").fetchone()[0])
    assert debug["sqlite"] == sqlite3.sqlite_version
    assert "libcurl/" in debug["http"] and "trusted CAs" in debug["http"]
    assert debug["cpus"] >= 1 and debug["threads"] >= 0 and debug["cpu"]
    assert "XNNPACK" in debug["xnnpack"] and "jpeg" in debug["jpeg"] and debug["expat"].startswith("expat_")
    assert re.match(r"\d+\.\d+", debug["protobuf_c"]) and re.match(r"\d+\.\d+", debug["jansson"])
