"""What every Python test gets: the module, connections that have it loaded, real servers."""
import os
import pathlib
import sqlite3
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import servers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("S3E_BUILD", ROOT / "build/dev")).resolve()
MODULE = pathlib.Path(os.environ.get("S3E_MODULE", BUILD / "s3embed.so")).resolve()
SHARED = pathlib.Path(os.environ.get("S3E_SHARED", ROOT / "../shared")).resolve()
MAY_BE_MISSING = ("versitygw", "../shared")


def missing(what, why):
    """Leaves a test out; in CI only for what may be missing there."""
    if os.environ.get("CI") and what not in MAY_BE_MISSING:
        pytest.fail(f"{what}: {why}")
    pytest.skip(f"{what}: {why}")


def load(con):
    con.enable_load_extension(True)
    con.load_extension(str(MODULE.with_suffix("")))
    con.enable_load_extension(False)
    return con


@pytest.fixture
def connect():
    """connect([path]): a connection of Python's sqlite3 with s3embed loaded, closed at the end."""
    opened = []

    def make(path=":memory:", **settings):
        con = load(sqlite3.connect(path, isolation_level=None))
        opened.append(con)
        for name, value in settings.items():
            con.execute("SELECT s3_config(?, ?)", (name, value))
        return con

    yield make
    for con in opened:
        con.close()


@pytest.fixture
def con(connect):
    return connect()


@pytest.fixture(scope="session")
def examples():
    return ROOT / "examples"


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        missing("../shared", "the photos and models beside the project are not there")
    return SHARED


@pytest.fixture(scope="session")
def moto():
    with servers.moto() as server:
        yield server


@pytest.fixture(scope="session")
def versitygw():
    if not servers.versitygw_program():
        missing("versitygw", "no build/tools/versitygw; scripts/deps test builds it where Go is new enough")
    with servers.versitygw() as server:
        yield server


@pytest.fixture(params=["moto", "versitygw"])
def s3(request):
    """Each real server in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def use(s3, monkeypatch):
    """The server's address and credentials in the environment."""
    for name, value in s3.env().items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture
def shell(tmp_path):
    """shell(sql, **env): the sqlite3 shell on a new database with s3embed loaded; gives CompletedProcess."""

    def run(sql, database=":memory:", **env):
        script = f".bail on\n.load {MODULE.with_suffix('')}\n{sql}"
        return subprocess.run(
            ["sqlite3", str(database)], input=script, text=True, capture_output=True, env=dict(os.environ, **env), timeout=300
        )

    return run
