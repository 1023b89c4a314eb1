"""sql/reference.sql: every statement gives what stands below it.

A statement is followed by its rows, one a line: `-- => ` and the columns with ` | ` between them, NULL as NULL, a BLOB as
x'..'; or by `-- no row`; or by `-- error: ` and the sentence, where ... stands for anything. One that is followed by none
of these gives no row.
"""
import os
import re
import sqlite3

import pytest
from conftest import ROOT

REFERENCE = ROOT / "sql/reference.sql"
EXPECTED = re.compile(r"-- (=>|error:|no row)\s?(.*)")


def statements():
    """(line number, statement, expected lines) of each statement of the file."""
    found, text, first = [], "", 0
    for number, line in enumerate(REFERENCE.read_text().splitlines(), 1):
        expected = EXPECTED.fullmatch(line.strip())
        if expected and not text:
            assert found, f"line {number}: a result without a statement"
            found[-1][2].append(line.strip())
        elif text or (line.strip() and not line.startswith("--")):
            first = first if text else number
            text += line + "\n"
            if sqlite3.complete_statement(text):
                found.append((first, text.strip(), []))
                text = ""
    assert not text, f"line {first}: the statement does not end"
    return found


def shown(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value)


def run(con, sql):
    try:
        rows = con.execute(sql).fetchall()
    except sqlite3.Error as e:
        return [f"-- error: {e}"]
    return [("-- => " + " | ".join(map(shown, row))).rstrip() for row in rows] or ["-- no row"]


@pytest.fixture
def reference(connect, monkeypatch):
    """Relative paths are those of the tree; nothing of the caller's AWS set-up is seen."""
    monkeypatch.chdir(ROOT)
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    return connect()


def agree(got, expected):
    """Exactly, but for the ... of errors."""
    if not expected:
        return got == ["-- no row"]
    if expected[0].startswith("-- error:"):
        pattern = ".*".join(map(re.escape, expected[0].split("...")))
        return len(got) == len(expected) == 1 and re.fullmatch(pattern, got[0]) is not None
    return got == expected


def test_every_statement_gives_what_stands_below_it(reference):
    wrong = []
    for line, sql, expected in statements():
        got = run(reference, sql)
        if not agree(got, expected):
            wrong.append(f"line {line}: {sql}\n" + "\n".join(f"  want {e}" for e in expected) + "\n" + "\n".join(f"  got  {g}" for g in got))
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_function_and_table_is_in_the_reference(con):
    text = REFERENCE.read_text()
    functions = {r[0] for r in con.execute("SELECT DISTINCT name FROM pragma_function_list WHERE name GLOB 's3*' OR name GLOB 'embed*' OR name = 'image_info'")}
    tables = {r[0] for r in con.execute("SELECT name FROM pragma_module_list WHERE name GLOB 's3*' OR name GLOB 'embed*'")}
    assert functions and tables
    # "s3_objects(" as a call or a table; a table without arguments by its name alone.
    assert [name for name in sorted(functions) if f"{name}(" not in text] == []
    assert [name for name in sorted(tables) if not re.search(rf"\b{name}\b", text)] == []


def test_no_name_is_sqlite_vecs(con):
    names = [r[0] for r in con.execute("SELECT name FROM pragma_function_list UNION SELECT name FROM pragma_module_list")]
    assert not [n for n in names if n.startswith("vec_") or n in ("vec0", "vec_each")]


def test_every_setting_is_in_the_reference(con):
    with pytest.raises(sqlite3.Error) as caught:
        con.execute("SELECT s3_config('zzzzzz')").fetchall()
    known = re.findall(r"[a-z_]{4,}", str(caught.value).split("zzzzzz")[1])
    text = REFERENCE.read_text()
    assert "max_attempts" in known
    assert [name for name in known if "_" in name and not re.search(rf"\b{name}\b", text)] == []
