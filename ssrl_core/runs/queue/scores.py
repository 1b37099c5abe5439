"""What the list of runs shows of results, kept beside them in the registry.

Ten thousand results are hundreds of megabytes of JSON, and the list is read again whenever anything changes. So the
numbers that the list shows (`specs.parts`) are kept in a table of their own; the registry itself keeps it up to date,
whoever writes there.
"""

from __future__ import annotations

import sqlite3

from ssrl_core.specs.parts import Column, Part, columns

_TRIGGERS = ("scores_new", "scores_changed", "scores_gone")


def names() -> tuple[str, ...]:
    """The columns that there are now."""
    return tuple(column.name for _, column in columns(listed=True))


def schema() -> str:
    """The table, and what keeps it up to date."""
    numbers = ", ".join(_number(part, column) for part, column in columns(listed=True))
    scored = f"""
    DELETE FROM scores WHERE run_id = new.id;
    INSERT INTO scores SELECT new.id, {numbers} WHERE json_valid(new.results);
    """
    kept = ", ".join(f'"{name}" REAL' for name in names())
    return f"""
CREATE TABLE scores (run_id TEXT PRIMARY KEY, {kept}) WITHOUT ROWID;
CREATE TRIGGER scores_new AFTER INSERT ON runs BEGIN {scored} END;
CREATE TRIGGER scores_changed AFTER UPDATE OF results ON runs BEGIN {scored} END;
CREATE TRIGGER scores_gone AFTER DELETE ON runs BEGIN DELETE FROM scores WHERE run_id = old.id; END;
"""


def ensure(connection: sqlite3.Connection) -> None:
    """Give a registry whose table of scores is missing, or has other columns, the one that is wanted now."""
    if are_there(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not are_there(connection):  # nobody did it while we waited
            for name in _TRIGGERS:
                connection.execute(f"DROP TRIGGER IF EXISTS {name}")
            connection.execute("DROP TABLE IF EXISTS scores")
            for statement in _statements():
                connection.execute(statement)
            connection.execute("UPDATE runs SET results = results WHERE results IS NOT NULL")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _number(part: Part, column: Column) -> str:
    """The number of a column in the results of a run, the largest where its part was made several times."""
    if part.takes == "list":
        largest = f"max(json_extract(value, '$.{column.key}'))"
        return f"(SELECT {largest} FROM json_each(new.results, '$.{part.name}'))"
    return f"json_extract(new.results, '$.{part.name}.{column.key}')"


def are_there(connection: sqlite3.Connection) -> bool:
    """Whether the registry has its table of scores with the columns of now."""
    found = {row[1] for row in connection.execute("PRAGMA table_info(scores)")}
    return found >= {"run_id", *names()}


def _statements() -> list[str]:
    """The schema, one statement each: `executescript` would end the transaction."""
    found, rest = [], ""
    for line in schema().splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found
