"""Stores that are filled from outside, by the engines' own tools, with tables that Doorward has made before.

Fills by rows and not by requests, because a million of these would take hours; whoever fills checks by requests that Doorward takes the rows
for its own.
"""
import contextlib
import csv
import io
import json
import os
import sqlite3
import subprocess
from pathlib import Path

from .alone import free_port

PARTS = Path(__file__).resolve().parent.parent.parent / "tests/parts"


def forget(paths):
    for path in paths:
        # A server makes some of its files anew whenever it likes.
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Sqlite:
    """Files, one for each store."""

    name = "SQLite"

    def url(self, folder):
        return f"sqlite:{folder}/doorward.db"

    def fill(self, folder, table, columns, rows):
        store = sqlite3.connect(f"{folder}/doorward.db")
        places = ", ".join("?" for _ in columns)
        with store:
            store.executemany(f'INSERT INTO {table} ({", ".join(columns)}) VALUES ({places})', rows)
        store.close()

    def settle(self, folder):
        """What goes on by itself in time is brought about now."""
        store = sqlite3.connect(f"{folder}/doorward.db")
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.close()

    def forget(self, folder):
        """What the system has of the files in its memory goes; the next to ask waits for the disk."""
        forget([f"{folder}/{name}" for name in os.listdir(folder) if name.startswith("doorward.db")])

    def mib(self, folder):
        return sum(os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder) if name.startswith("doorward.db")) / 2**20

    def stop(self):
        pass


class Postgres:
    """Databases of one server, which syncs to the disk and ends with this program."""

    name = "PostgreSQL"

    def __init__(self):
        self.part = subprocess.Popen(
            ["node", str(PARTS / "postgres.mjs"), "--durable", "--port", str(free_port())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.told = json.loads(self.part.stdout.readline())
        self.databases = {}

    def url(self, folder):
        if folder not in self.databases:
            self.databases[folder] = f"bench_{len(self.databases)}"
            self.psql("postgres", f"CREATE DATABASE {self.databases[folder]}")
        return self.told["url"].rsplit("/", 1)[0] + "/" + self.databases[folder]

    def psql(self, database, statement, given=None):
        environment = dict(os.environ, PGPASSWORD=self.told["password"])
        command = ["psql", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.told["port"]), "-U", "doorward", "-d", database,
                   "-v", "ON_ERROR_STOP=1", "-c", statement]
        done = subprocess.run(command, input=given, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def fill(self, folder, table, columns, rows):
        text = io.StringIO()
        # What is quoted is never NULL, be it empty.
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerows([f"\\x{value.hex()}" if isinstance(value, bytes) else value for value in row] for row in rows)
        names = ", ".join(columns)
        self.psql(self.databases[folder], f"COPY {table} ({names}) FROM STDIN (FORMAT csv)", text.getvalue().encode())

    def settle(self, folder):
        """What the server's own cleaning does within minutes."""
        self.psql(self.databases[folder], "VACUUM ANALYZE")

    def forget(self, folder):
        """The same, but for the 64 MiB that the server itself keeps."""
        self.psql("postgres", "CHECKPOINT")
        data = self.psql("postgres", "SHOW data_directory").strip()
        forget([f"{place}/{name}" for place, _, names in os.walk(f"{data}/base") for name in names])

    def mib(self, folder):
        return int(self.psql(self.databases[folder], "SELECT pg_database_size(current_database())")) / 2**20

    def stop(self):
        self.part.terminate()
        self.part.wait()


ENGINES = {"sqlite": Sqlite, "postgres": Postgres}
