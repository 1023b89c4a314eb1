"""s3_objects, s3_get and s3_head against real servers: markers, odd keys, hostile keys, pages, settings in place of the environment."""
import json
import sqlite3

import pytest
import servers


def stats(con):
    return dict(con.execute("SELECT name, value FROM s3_stats"))


def spent(con, sql, *args):
    before = stats(con)
    rows = con.execute(sql, args).fetchall()
    after = stats(con)
    return rows, {name: after[name] - before[name] for name in after}


def raises(con, sql, *args):
    with pytest.raises(sqlite3.Error) as caught:
        con.execute(sql, args).fetchall()
    return str(caught.value)


@pytest.fixture(scope="module")
def buckets():
    """moto, which takes every odd key, with a bucket a test."""
    with servers.moto() as server:
        yield server


@pytest.fixture
def moto_env(buckets, monkeypatch):
    for name, value in buckets.env().items():
        monkeypatch.setenv(name, value)
    return buckets


def test_rows_are_the_objects(use, con):
    client = use.bucket("rows", {"a.jpg": b"1", "apple/1.jpg": b"22", "apple_6/2.jpg": b"333"})
    rows = con.execute("SELECT key, size, etag, storage_class, uri, folder, name, bucket, s3_get(key) FROM s3_objects('rows')").fetchall()
    etags = {o["Key"]: o["ETag"].strip('"') for o in client.list_objects_v2(Bucket="rows")["Contents"]}
    assert rows == [
        ("a.jpg", 1, etags["a.jpg"], "STANDARD", "s3://rows/a.jpg", None, "a.jpg", "rows", b"1"),
        ("apple/1.jpg", 2, etags["apple/1.jpg"], "STANDARD", "s3://rows/apple/1.jpg", "apple", "1.jpg", "rows", b"22"),
        ("apple_6/2.jpg", 3, etags["apple_6/2.jpg"], "STANDARD", "s3://rows/apple_6/2.jpg", "apple_6", "2.jpg", "rows", b"333"),
    ]
    assert con.execute("SELECT key FROM s3_objects('s3a://rows/apple')").fetchall() == [("apple/1.jpg",), ("apple_6/2.jpg",)]
    assert con.execute("SELECT key FROM s3_objects('s3n://rows/*/*.jpg')").fetchall() == [("apple/1.jpg",), ("apple_6/2.jpg",)]
    assert con.execute("SELECT count(*) FROM s3_objects('rows') WHERE date(last_modified) >= '2020-01-01'").fetchone() == (3,)


def test_markers_of_the_console(use, con):
    """Zero-byte folder markers are hidden; {"markers":1} shows them."""
    use.bucket("console", {"apple_6/": b"", "apple_6/1.jpg": b"x", "zero": b""})
    assert con.execute("SELECT key FROM s3_objects('console')").fetchall() == [("apple_6/1.jpg",), ("zero",)]
    shown = con.execute("SELECT key, folder, name, size FROM s3_objects('console', json_object('markers', 1))").fetchall()
    assert shown == [("apple_6/", None, "apple_6", 0), ("apple_6/1.jpg", "apple_6", "1.jpg", 1), ("zero", None, "zero", 0)]
    assert con.execute("SELECT key FROM s3_objects('console', '{\"markers\":1}') LIMIT 2").fetchall() == [("apple_6/",), ("apple_6/1.jpg",)]
    assert con.execute("SELECT key FROM s3_objects('console') LIMIT 2").fetchall() == [("apple_6/1.jpg",), ("zero",)]


def test_what_is_not_there(use, con):
    use.bucket("present", {"k": b"v"})
    assert con.execute("SELECT s3_get('s3://present/absent'), s3_head('s3://present/absent'), s3_get_range('s3://present/absent', 0, 1)").fetchone() == (None,) * 3
    assert con.execute("SELECT * FROM s3_objects('present/none')".replace("present/none", "s3://present/none/")).fetchall() == []
    assert con.execute("SELECT key FROM s3_objects('present') WHERE key IN ('absent', 'k', 'also absent')").fetchall() == [("k",)]
    for sql in ["SELECT * FROM s3_objects('no-such-bucket')", "SELECT s3_get('s3://no-such-bucket/k')"]:
        assert "NoSuchBucket" in raises(con, sql)
    con.execute("SELECT s3_config('on_error', 'null')")
    assert "NoSuchBucket" in raises(con, "SELECT * FROM s3_objects('no-such-bucket')")


def test_head(use, con):
    client = use.bucket("head", {})
    client.put_object(Bucket="head", Key="k", Body=b"12345", ContentType="image/jpeg", Metadata={"label": "apple"})
    head = json.loads(con.execute("SELECT s3_head('s3://head/k')").fetchone()[0])
    assert head["size"] == 5 and head["content_type"] == "image/jpeg" and head["metadata"] == {"label": "apple"}
    assert head["etag"] == con.execute("SELECT etag FROM s3_objects('head')").fetchone()[0]
    assert con.execute("SELECT s3_get_range('s3://head/k', 1, 3), s3_get('head', 'k')").fetchone() == (b"234", b"12345")
    assert "s3://head/k" in raises(con, "SELECT s3_get_range('s3://head/k', 99, 1)")


def test_the_bucket_of_the_settings(use, con):
    use.bucket("settled", {"a/k": b"v"})
    use.bucket("other-one", {"a/k": b"w"})
    con.execute("SELECT s3_config('bucket', 'settled')")
    assert con.execute("SELECT s3_get('a/k'), s3_get('none')").fetchone() == (b"v", None)
    assert con.execute("SELECT s3_get('a/k') FROM s3_objects('other-one')").fetchone() == (b"w",)
    assert con.execute("SELECT s3_get('other-one', 'a/k')").fetchone() == (b"w",)
    assert "looks like a uri" in raises(con, "SELECT s3_get('s3://other-one/a/k')")


ODD = ["a b", "a+b", "a%20b", "a//b", "ä/ö.jpg", "x/../y", "x/./y", "?q=1", "#f", "a&b=c", "日本", "a\tb", "'", '"', "..", ".", "\\", "*", "[a]", "{b}", "~"]


def test_odd_keys_travel_as_they_are(moto_env, con):
    moto_env.bucket("odd", {key: key.encode() for key in ODD})
    rows = con.execute("SELECT key, s3_get(key), s3_get(uri), s3_get(bucket, key), uri FROM s3_objects('odd')").fetchall()
    assert [r[0] for r in rows] == sorted(ODD, key=str.encode)
    for key, by_key, by_uri, by_bucket, uri in rows:
        assert by_key == by_uri == by_bucket == key.encode() and uri == "s3://odd/" + key
    for key in ODD:
        assert con.execute("SELECT s3_get('s3://odd/' || ?1), s3_get('odd', ?1)", (key,)).fetchone() == (key.encode(),) * 2
        assert con.execute("SELECT key FROM s3_objects('odd') WHERE key = ?", (key,)).fetchall() == [(key,)]


@pytest.fixture(scope="module")
def hostile(buckets, tmp_path_factory):
    """Keys of bucket 'hostile' that name objects elsewhere, all of which say so."""
    secret = tmp_path_factory.mktemp("hostile") / "secret"
    secret.write_bytes(b"outside")
    keys = [f"file://{secret}", "s3://elsewhere/x", "s3a://elsewhere/x", "file:secret", "plain"]
    buckets.bucket("elsewhere", {"x": b"outside"})
    buckets.bucket("hostile", {key: b"inside" for key in keys})
    return keys


@pytest.mark.parametrize("prefetch", [1, 0])
@pytest.mark.parametrize("sql", [
    "SELECT key, s3_get(key) FROM s3_objects('hostile')",
    "SELECT max(key), max(s3_get(key)) FROM s3_objects('hostile') GROUP BY key || ''",
    "SELECT key, s3_get(key) FROM (SELECT key FROM s3_objects('hostile') ORDER BY size DESC, key DESC LIMIT 99)",
])
def test_a_hostile_key_stays_in_its_bucket(moto_env, hostile, con, sql, prefetch):
    """file:///etc/passwd and s3://other/x are legal S3 keys: s3_get(key) must not read elsewhere."""
    con.execute("SELECT s3_config('prefetch', ?)", (prefetch,))
    assert dict(con.execute(sql).fetchall()) == {key: b"inside" for key in hostile}
    assert con.execute("SELECT s3_get('s3://elsewhere/x')").fetchone() == (b"outside",)


def test_an_object_that_changes_under_the_reader(use, con):
    """s3_get of the row at a cursor sends If-Match with the listed ETag."""
    client = use.bucket("moving", {key: key.encode() for key in "abc"})
    con.create_function("change", 1, lambda key: client.put_object(Bucket="moving", Key="b", Body=b"new") and 0 if key == "b" else 0)
    con.execute("SELECT s3_config('prefetch', 0)")
    message = raises(con, "SELECT change(key), s3_get(key) FROM s3_objects('moving')")
    assert message.startswith("s3_get: s3://moving/b") and "changed" in message
    client.put_object(Bucket="moving", Key="b", Body=b"old")
    con.execute("SELECT s3_config('on_error', 'null')")
    rows = con.execute("SELECT change(key), s3_get(key), error IS NULL FROM s3_objects('moving')").fetchall()
    assert rows == [(0, b"a", 1), (0, None, 0), (0, b"c", 1)]


@pytest.fixture(scope="module")
def pages():
    """A scripted server of 5,500 keys, six pages; what was asked for."""
    keys = [f"{i // 1000}/{i:05}" for i in range(5500)]
    asked = []
    plain = servers.scripted_bucket(keys, lambda key: key.encode())

    def answer(method, path):
        asked.append((method, path))
        return plain(method, path)

    with servers.scripted(answer) as url:
        yield url, keys, asked


@pytest.fixture
def paged(pages, connect):
    url, keys, asked = pages
    con = connect(endpoint_url=url, aws_access_key_id="k", aws_secret_access_key="s", region="us-east-1")
    asked.clear()
    return con, keys, asked


def lists(asked):
    return [path for _, path in asked if "list-type=2" in path]


def test_settings_instead_of_the_environment(paged):
    con, keys, asked = paged
    assert con.execute("SELECT count(*) FROM s3_objects('bucket')").fetchone() == (5500,)
    assert len(lists(asked)) == 6


@pytest.mark.parametrize("condition, count, most", [
    ("key > '5/05400'", 99, 1), ("key >= '5/05400'", 100, 1), ("key < '0/00010'", 10, 2), ("key <= '0/00010'", 11, 2),
    ("key GLOB '5/054*'", 100, 1), ("key GLOB '3/*' AND key > '3/03990'", 9, 1), ("key GLOB 'x*'", 0, 1),
    ("key > '2' AND key < '2/02005'", 5, 2), ("key = '3/03000'", 1, 0), ("key = '3/03000' AND size > 100", 0, 0),
])
def test_no_page_is_asked_for_in_vain(paged, condition, count, most):
    con, _, asked = paged
    assert con.execute(f"SELECT count(*) FROM s3_objects('bucket') WHERE {condition}").fetchone() == (count,)
    assert len(lists(asked)) <= most


def test_limit_asks_for_one_page(paged):
    con, keys, asked = paged
    assert [k for (k,) in con.execute("SELECT key FROM s3_objects('bucket') ORDER BY key LIMIT 7")] == keys[:7]
    assert len(lists(asked)) <= 2


def test_look_ahead_again_after_a_sorter(paged):
    """GROUP BY asks after its sorter: ahead again in listing order, from the key that is asked for; each object once."""
    con, keys, asked = paged
    sql = "SELECT folder, sum(length(s3_get(key))) FROM s3_objects('bucket') WHERE key < '2' GROUP BY folder"
    assert con.execute(sql).fetchall() == [("0", 7000), ("1", 7000)]
    gets = [path for _, path in asked if "list-type=2" not in path]
    assert len(gets) == len(set(gets)) == 2000
    assert len(lists(asked)) <= 8


def test_both_ways_the_same_rows(paged):
    con, keys, asked = paged
    statements = [
        "SELECT key, s3_get(key) FROM s3_objects('bucket') WHERE key GLOB '5/054*'",
        "SELECT folder, count(*), sum(length(body)) FROM s3_objects('bucket') WHERE size > 0 AND key > '4/04900' GROUP BY folder",
        "SELECT key, s3_get(key) FROM s3_objects('bucket') WHERE key IN ('0/00001', '4/04999', 'none') ORDER BY key DESC",
        "SELECT o.key, s3_get(o.key) FROM s3_objects('bucket') o JOIN s3_objects('bucket') p ON p.key = o.key WHERE o.key > '5/05490'",
    ]
    ahead = [con.execute(sql).fetchall() for sql in statements]
    con.execute("SELECT s3_config('prefetch', 0)")
    assert [con.execute(sql).fetchall() for sql in statements] == ahead


def test_a_changed_setting_makes_the_account_anew(paged, connect):
    con, keys, asked = paged
    assert con.execute("SELECT count(*) FROM s3_objects('bucket') LIMIT 1").fetchone() == (5500,)
    con.execute("SELECT s3_config('endpoint_url', 'http://127.0.0.1:1'), s3_config('max_attempts', 1)")
    message = raises(con, "SELECT count(*) FROM s3_objects('bucket')")
    assert "127.0.0.1" in message and message.startswith("s3_objects: ")
    con.execute("SELECT s3_config('on_error', 'null')")
    assert "127.0.0.1" in raises(con, "SELECT s3_get('s3://bucket/k')")
