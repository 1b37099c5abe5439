"""What the list of runs shows of results, kept beside them in the registry.

Ten thousand results are hundreds of megabytes of JSON, and the list is read again whenever anything changes. So two
numbers of each are kept in a table of their own; the registry itself keeps it up to date, whoever writes there.
"""

from __future__ import annotations

import sqlite3

_SCORED = """
    DELETE FROM scores WHERE run_id = new.id;
    INSERT INTO scores SELECT new.id, json_extract(new.results, '$.knn.top1'),
        (SELECT max(json_extract(value, '$.ami')) FROM json_each(new.results, '$.clusters'))
        WHERE json_valid(new.results);
"""
SCHEMA = f"""
CREATE TABLE scores (run_id TEXT PRIMARY KEY, knn_top1 REAL, ami REAL) WITHOUT ROWID;
CREATE TRIGGER scores_new AFTER INSERT ON runs BEGIN {_SCORED} END;
CREATE TRIGGER scores_changed AFTER UPDATE OF results ON runs BEGIN {_SCORED} END;
CREATE TRIGGER scores_gone AFTER DELETE ON runs BEGIN DELETE FROM scores WHERE run_id = old.id; END;
"""


def ensure(connection: sqlite3.Connection) -> None:
    """Give a registry that was made before there was such a table its scores."""
    if _is_there(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_there(connection):  # nobody did it while we waited
            for statement in _statements():
                connection.execute(statement)
            connection.execute("UPDATE runs SET results = results WHERE results IS NOT NULL")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _is_there(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'scores'").fetchone()
    return found is not None


def _statements() -> list[str]:
    """The schema, one statement each: `executescript` would end the transaction."""
    found, rest = [], ""
    for line in SCHEMA.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found
