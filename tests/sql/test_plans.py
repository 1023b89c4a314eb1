"""What SQLite offers a virtual table in odd ways: the rows are those of an ordinary table."""
import sqlite3

import pytest

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
