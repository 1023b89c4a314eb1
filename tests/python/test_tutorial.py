"""The tutorial's path: an EC2 machine with a role and no region anywhere, a bucket in eu-west-3 made in the console."""
import sqlite3
import struct
import subprocess
import sys

import pytest
import servers
from conftest import MODULE, ROOT, missing

LABELS = ("apple_6", "banana_3", "lemon_2")


@pytest.fixture(scope="module")
def sparkyfruit(examples):
    """A bucket with console folder markers, photos in a folder a label; yields the environment of the machine."""
    server_of = servers.versitygw if servers.versitygw_program() else servers.moto
    objects = {f"{label}/": b"" for label in LABELS}
    for label in LABELS:
        for photo in (examples / label.split("_")[0]).glob("*.jpg"):
            objects[f"{label}/{photo.name}"] = photo.read_bytes()
    with server_of("eu-west-3") as server, servers.imds(region="us-east-1") as (url, seen):
        server.bucket("sparkyfruit", objects)
        yield {
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
            "AWS_EC2_METADATA_DISABLED": "false",
        }, seen


@pytest.fixture
def machine(sparkyfruit, monkeypatch):
    env, seen = sparkyfruit
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env, seen


def check(rows):
    assert len(rows) == 36
    assert {r[1] for r in rows} == set(LABELS)
    assert all(len(r[2]) == 1024 for r in rows)
    assert all(abs(x) < 1e6 for r in rows for x in struct.unpack("<256f", r[2]))


def test_folders_are_listed(machine, con):
    assert [r[0] for r in con.execute("SELECT folder FROM s3_folders('sparkyfruit') ORDER BY folder")] == list(LABELS)


def test_a_path_pasted_from_spark_is_listed_without_markers(machine, con):
    keys = [r[0] for r in con.execute("SELECT key FROM s3_objects('s3a://sparkyfruit/*/*.jpg')")]
    assert len(keys) == 36 and keys == sorted(keys)
    assert con.execute("SELECT count(*) FROM s3_objects('sparkyfruit')").fetchone() == (36,)
    assert con.execute("SELECT count(*) FROM s3_objects('sparkyfruit', '{\"markers\":1}')").fetchone() == (39,)


def test_one_image_is_shown_in_python(machine, con, examples):
    got, = con.execute("SELECT s3_get('s3://sparkyfruit/apple_6/apple_01.jpg')").fetchone()
    assert got == (examples / "apple/apple_01.jpg").read_bytes()


def test_all_are_embedded_from_python(machine, con):
    check(con.execute("SELECT key, folder, embed(s3_get(key)) FROM s3_objects('sparkyfruit')").fetchall())


def test_credentials_came_from_the_role_alone(machine, con):
    _, seen = machine
    con.execute("SELECT count(*) FROM s3_objects('sparkyfruit')").fetchall()
    assert ("PUT", "/latest/api/token") in seen
    assert any(path.endswith("/s3_access") for _, path in seen)


def test_all_are_embedded_by_a_script(machine, tmp_path):
    job = f""".bail on
.load {MODULE.with_suffix('')}
CREATE TABLE features AS
  SELECT key, folder AS label, embed(s3_get(key)) AS embedding FROM s3_objects('sparkyfruit');
"""
    done = subprocess.run(["sqlite3", str(tmp_path / "out.db")], input=job, text=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    check(sqlite3.connect(tmp_path / "out.db").execute("SELECT * FROM features").fetchall())


def test_all_are_embedded_in_the_shell(machine, tmp_path):
    command = ["sqlite3", "-cmd", f".load {MODULE.with_suffix('')}", ":memory:",
               "SELECT count(embed(s3_get(key))), count(DISTINCT folder) FROM s3_objects('sparkyfruit')"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=120)
    assert (done.stdout, done.stderr) == ("36|3\n", "")


@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_all_are_embedded_from_apsw(machine, which):
    folder = ROOT / "build/venv" / f"apsw-{which}"
    if not folder.is_dir():
        missing("apsw", f"no {folder.name} for this Python")
    program = f"""
import sys
sys.path.insert(0, {str(folder)!r})
import apsw
con = apsw.Connection(":memory:")
if hasattr(con, "enable_load_extension"):
    con.enable_load_extension(True); con.load_extension({str(MODULE)!r})
else:
    con.enableloadextension(True); con.loadextension({str(MODULE)!r})
rows = list(con.cursor().execute("SELECT key, folder, embed(s3_get(key)) FROM s3_objects('sparkyfruit')"))
assert len(rows) == 36 and all(len(r[2]) == 1024 for r in rows)
print(apsw.sqlitelibversion())
"""
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    print("SQLite", done.stdout.strip())
