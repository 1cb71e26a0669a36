"""The metadata database of an embedded Airflow: a file of SQLite, or a database of its own on a server.

The server is the one that the environment variable AIRFLOW_TEST_DB names, such as `postgresql+psycopg2://name:password@host`.
"""

import atexit
import contextlib
import os
import secrets
import sqlite3
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

SERVER = os.environ.get("AIRFLOW_TEST_DB", "")
# Seconds that Airflow's components wait for each other's writes; sqlite3's default of 5 is short on two busy cores, and
# a scheduler that does not get its turn ends.
SQLITE_TIMEOUT = 60


class AirflowDatabase:
    """A database at `url`, which `create` makes once; what is on a server is dropped when this program ends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._name = f"airflow_test_{secrets.token_hex(6)}"
        self._is_there = False
        if SERVER:
            self.url = make_url(SERVER).set(database=self._name).render_as_string(hide_password=False)
        else:
            self.url = f"sqlite:///{file}?timeout={SQLITE_TIMEOUT}"

    def create(self) -> None:
        if self._is_there:
            return
        if SERVER:
            self._execute(f"CREATE DATABASE {self._name}")
            atexit.register(self._execute, f"DROP DATABASE {self._name}")
        else:
            # The mode stays with the file. Without it a reader waits for each writer, and a writer for all readers: on
            # two busy cores the API answered after more than 30 seconds.
            with contextlib.closing(sqlite3.connect(self._file)) as database:
                database.execute("PRAGMA journal_mode = WAL")
        self._is_there = True

    @staticmethod
    def _execute(statement: str) -> None:
        server = make_url(SERVER)
        database = server.database or ("postgres" if server.get_backend_name() == "postgresql" else None)
        engine = create_engine(server.set(database=database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()
