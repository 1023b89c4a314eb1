"""Interrupting, closing, finalising, forking and exiting with work in flight; memory that stays bounded."""
import contextlib
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import servers
from conftest import MODULE, load

TIMES = int(os.environ.get("S3E_TIMES", "200"))
SQL = "SELECT key, embed(s3_get(key)) FROM s3_objects('bucket')"


@pytest.fixture(scope="module")
def far(examples):
    """A server that takes 20 ms an object: there is always work in flight."""
    photo = (examples / "apple/apple_01.jpg").read_bytes()
    keys = [f"apple/{i:06}.jpg" for i in range(3000)]
    with servers.scripted(servers.scripted_bucket(keys, lambda key: photo, 0.02)) as url:
        yield url


@pytest.fixture
def remote(far, monkeypatch):
    for name, value in {"AWS_ENDPOINT_URL_S3": far, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)


def child(program):
    """Runs `program` in a Python of its own after the module is loaded."""
    start = f"import os, random, sqlite3, sys, time\nsys.path.insert(0, {str(os.path.dirname(servers.__file__))!r})\n"
    start += f"from conftest import load\nSQL = {SQL!r}\n"
    # Python 3.12 and newer warn of every fork in a process with threads: that it works is what is tested.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", start + program]
    return subprocess.run(command, text=True, capture_output=True, timeout=300,
                          env=dict(os.environ, S3E_MODULE=str(MODULE)))


def thread_names():
    for task in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread of the server that ended meanwhile
            yield (task / "comm").read_text()


def test_interrupted_at_random_instants_the_connection_stays_usable(remote, tmp_path):
    """`sqlite3_interrupt` ends the statement; the connection, its transaction and its earlier rows stay."""
    con = load(sqlite3.connect(tmp_path / "db", isolation_level=None, check_same_thread=False))
    con.execute("CREATE TABLE t(k, v)")
    con.execute("BEGIN")
    con.execute("INSERT INTO t VALUES ('kept', 1)")
    chance = random.Random(1)
    for _ in range(TIMES):
        ended = threading.Event()

        def interrupt(delay=chance.uniform(0, 0.15)):
            # Again and again: one that comes before the statement has begun is none.
            while not ended.wait(delay):
                con.interrupt()
                delay = 0.02

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            con.execute(SQL).fetchall()
        ended.set()
        thread.join()
        assert con.execute("SELECT k FROM t").fetchall() == [("kept",)]
    assert con.in_transaction
    con.execute("COMMIT")
    con.close()


def test_a_progress_handler_can_stop_a_wait(remote, con):
    """Our waits run the application's progress handler: Ctrl-C in Python works."""
    start = time.monotonic()
    con.set_progress_handler(lambda: time.monotonic() - start > 0.2, 10000)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        con.execute(SQL).fetchall()


def test_a_failed_statement_leaves_the_transaction(remote, con):
    con.execute("CREATE TABLE t(k)")
    con.execute("BEGIN")
    con.execute("INSERT INTO t VALUES ('kept')")
    with pytest.raises(sqlite3.Error):
        con.execute("INSERT INTO t SELECT embed(x'00') FROM s3_objects('bucket')")
    assert con.in_transaction
    con.execute("COMMIT")
    assert con.execute("SELECT k FROM t").fetchall() == [("kept",)]


def test_finalised_with_work_in_flight(remote, con):
    chance = random.Random(2)
    for _ in range(TIMES):
        rows = con.execute(SQL)
        for _ in range(chance.randrange(12)):
            rows.fetchone()
        rows.close()
    assert con.execute("SELECT count(*) FROM s3_objects('bucket')").fetchone() == (3000,)


def test_closed_with_work_in_flight(remote):
    chance = random.Random(3)
    for _ in range(TIMES):
        con = load(sqlite3.connect(":memory:"))
        rows = con.execute(SQL)
        for _ in range(chance.randrange(12)):
            rows.fetchone()
        rows.close()
        con.close()
    assert not [name for name in thread_names() if name.startswith("s3e")]


def test_exited_with_work_in_flight(remote):
    program = "con = load(sqlite3.connect(':memory:'))\nrows = con.execute(SQL)\nfor _ in range({}): rows.fetchone()\n{}\n"
    ends = ["sys.exit(7)", "raise SystemExit(7)", "del rows; sys.exit(7)", "os._exit(7)"]
    for i in range(max(4, TIMES // 4)):
        done = child(program.format(i % 9, ends[i % 4]))
        assert (done.returncode, done.stderr) == (7, "")


def test_forked_with_work_in_flight(remote):
    """The child finds the engine inert and starts its own; the parent goes on."""
    done = child(f"""
con = load(sqlite3.connect(':memory:'))
rows = con.execute(SQL)
rows.fetchone()
for i in range({TIMES}):
    rows.fetchone()
    pid = os.fork()
    if pid == 0:
        try:
            own = load(sqlite3.connect(':memory:'))
            got = own.execute(SQL + ' LIMIT 2').fetchall() if i % 10 == 0 else []
            os._exit(0 if len(got) == (2 if i % 10 == 0 else 0) else 1)
        except BaseException as e:
            print(e, file=sys.stderr)
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0, i
print(len(rows.fetchall()) + {TIMES} + 1)
""")
    assert (done.stdout, done.stderr) == ("3000\n", "")


def resident_kb():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4


def test_200000_keys_are_listed_in_flat_memory(con, monkeypatch):
    keys = [f"folder{i // 1000:03}/some-longer-name-of-an-image-{i:07}.jpg" for i in range(200_000)]
    with servers.scripted(servers.scripted_bucket(keys, lambda key: b"x")) as url:
        for name, value in {"AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        count, early = 0, 0
        for count, (key, size) in enumerate(con.execute("SELECT key, size FROM s3_objects('bucket')"), 1):
            assert key == keys[count - 1]
            if count == 20_000:
                early = resident_kb()
        assert count == 200_000
        assert resident_kb() - early < 3_000


def test_the_first_row_needs_one_page(con, monkeypatch):
    keys = [f"{i:07}" for i in range(200_000)]
    pages = []
    plain = servers.scripted_bucket(keys, lambda key: b"x")

    def counting(method, path):
        pages.append(path)
        return plain(method, path)

    with servers.scripted(counting) as url:
        for name, value in {"AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        rows = con.execute("SELECT key FROM s3_objects('bucket')")
        rows.fetchone()
        assert len(pages) <= 2  # this one, and the next that was asked for ahead
        rows.close()


def test_large_objects_stay_within_prefetch_bytes(examples):
    """2,000 JPEGs of 1 MB: peak memory over the idle process <= 64 MiB + 40 MiB a computing thread."""
    photo = (examples / "apple/apple_01.jpg").read_bytes()
    comment = b"\xff\xfe\xff\xfe" + bytes(65532)
    big = photo[:2] + comment * 16 + photo[2:]
    assert 1_000_000 < len(big) < 1_100_000
    keys = [f"{i:05}.jpg" for i in range(int(os.environ.get("S3E_BIG", "300")))]
    threads = len(os.sched_getaffinity(0))
    with servers.scripted(servers.scripted_bucket(keys, lambda key: big, 0.01)) as url:
        done = child(f"""
import resource
os.environ.update(AWS_ENDPOINT_URL_S3={url!r}, AWS_ACCESS_KEY_ID='k', AWS_SECRET_ACCESS_KEY='s', AWS_REGION='us-east-1')
con = load(sqlite3.connect(':memory:'))
con.execute("SELECT count(*) FROM s3_objects('bucket')").fetchall()
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count, = con.execute("SELECT count(embed(s3_get(key))) FROM s3_objects('bucket')").fetchone()
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle)
""")
    assert done.stderr == ""
    count, grown_kb = map(int, done.stdout.split())
    assert count == len(keys)
    assert grown_kb <= (64 + 40 * threads) * 1024
