"""Rows of the database for runs that did not run: copies of the rows of runs that did, under ids of their own."""

from dataclasses import dataclass

from tests.fleet.postgres import Postgres

COPY = "fleet-copy"
"""Tag of copied flow runs."""
PARENTS = "SELECT run.id FROM flow_run run JOIN flow ON flow.id = run.flow_id WHERE flow.name = 'retrain'"
RUNS = f"""
    CREATE TABLE fleet_runs AS WITH parents AS (
        {PARENTS} AND run.state_name = 'Completed' AND NOT run.tags ? '{COPY}' ORDER BY run.created LIMIT {{limit}}
    )
    SELECT id FROM parents UNION
    SELECT child.id FROM flow_run child JOIN task_run task ON child.parent_task_run_id = task.id
    WHERE task.flow_run_id IN (SELECT id FROM parents);
    CREATE TABLE fleet_tasks AS SELECT id FROM task_run WHERE flow_run_id IN (SELECT id FROM fleet_runs);
    CREATE TABLE fleet_events AS SELECT id FROM events WHERE resource_id IN (
        SELECT 'prefect.flow-run.' || id FROM fleet_runs UNION SELECT 'prefect.task-run.' || id FROM fleet_tasks
    )"""  # noqa: S608, no input of others


@dataclass(frozen=True)
class Table:
    """Which rows of a table belong to the copied runs."""

    name: str
    column: str
    rows: str


TABLES = (
    Table("flow_run", "id", "fleet_runs"),
    Table("flow_run_state", "flow_run_id", "fleet_runs"),
    Table("task_run", "flow_run_id", "fleet_runs"),
    Table("task_run_state", "task_run_id", "fleet_tasks"),
    Table("log", "flow_run_id", "fleet_runs"),
    Table("artifact", "flow_run_id", "fleet_runs"),
    Table("events", "id", "fleet_events"),
    Table("event_resources", "event_id", "fleet_events"),
)
RENAMED = ("id", "flow_run_id", "task_run_id", "state_id", "parent_task_run_id", "event_id")
"""Columns with ids of what is copied, too."""
CHANGED = {
    "idempotency_key": "idempotency_key || '-copy-{number}'",
    "resource_id": "resource_id || '-copy-{number}'",
    "tags": f"tags || '[\"{COPY}\"]'",
}


def copy_rows(database: Postgres, runs: int, template: int) -> None:
    """Add rows of so many retrain runs with their train runs, tasks, states, logs, artifacts and events.

    Args:
        database: The server's database.
        runs: How many retrain runs.
        template: How many completed ones are copied again and again.
    """
    columns = {table.name: _columns(database, table.name) for table in TABLES}
    first = int(database.query(f"SELECT count(*) FROM flow_run WHERE tags ? '{COPY}'"))  # noqa: S608
    while runs > 0:
        limit = min(template, runs)
        database.query(RUNS.format(limit=limit))
        # The rows refer to each other in a circle. They are copied all or none, so that nothing has to be checked.
        inserts = [_insert(table, columns[table.name], first + runs) for table in TABLES]
        database.query("; ".join(["SET session_replication_role = replica", *inserts]))
        database.query("DROP TABLE fleet_runs, fleet_tasks, fleet_events")
        runs -= limit
    database.query("ANALYZE")


def _columns(database: Postgres, table: str) -> list[str]:
    wanted = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"  # noqa: S608
    return database.query(f"{wanted} AND table_schema = 'public' AND is_generated = 'NEVER'").split()


def _insert(table: Table, columns: list[str], number: int) -> str:
    values = ", ".join(_value(column, number) for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    source = f"SELECT {values} FROM {table.name} WHERE {table.column} IN (SELECT id FROM {table.rows})"  # noqa: S608
    return f"INSERT INTO {table.name} ({names}) {source}"


def _value(column: str, number: int) -> str:
    if column in RENAMED:
        return f"md5({column}::text || '{number}')::uuid"
    return CHANGED[column].format(number=number) if column in CHANGED else f'"{column}"'
