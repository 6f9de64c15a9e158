"""stac-fastapi-pgstac and titiler-pgstac with a PostgreSQL of their own: the peers of catalogue and mosaics."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.server import Server, tree_cpu_s
from catalog.queryable import QUERYABLES

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = '2GB'
effective_cache_size = '8GB'
work_mem = '64MB'
maintenance_work_mem = '512MB'
max_wal_size = '8GB'
random_page_cost = 1.1
"""
"""For a machine with 8 GB or more and a solid-state disk; durable, as a service would be."""

_USER = "bench"
_JSON_SCHEMA = {
    "number": {"type": "number"},
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
}


class Cluster:
    """A PostgreSQL server on a port of the loopback, with its files in one folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder

    def __enter__(self) -> "Cluster":
        if not (self._folder / "PG_VERSION").exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:  # as whom it refuses to run
                subprocess.run(["chown", "postgres", self._folder], check=True)
            self._run("initdb", "-D", self._folder, "-U", _USER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
            self._run("sh", "-c", f"cat >> '{self._folder}/postgresql.conf'", text=_SETTINGS)
        log = self._folder / "server.log"
        self._run("pg_ctl", "-D", self._folder, "-l", log, "-o", f"-p {self.port}", "-w", "-t", "120", "start")
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "-D", self._folder, "-m", "fast", "-w", "-t", "120", "stop")

    def address(self, database: str) -> str:
        """As the peers' programs take it."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def ask(self, database: str, statement: str) -> str:
        """What one statement gives."""
        return self._run("psql", "-v", "ON_ERROR_STOP=1", "-qAtc", statement, self.address(database)).strip()

    def cpu_s(self) -> float:
        """CPU time so far of the server and its backends."""
        return tree_cpu_s(int((self._folder / "postmaster.pid").read_text().split()[0]))

    def _run(self, program: str, *arguments: str | Path, text: str = "") -> str:
        found = program if program == "sh" else str(_programs() / program)
        as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_owner, found, *map(str, arguments)],
            input=text,
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            text=True,
            check=True,
            cwd="/",
        )
        return done.stdout or ""


class PgstacPeer:
    """pypgstac and stac-fastapi-pgstac of one environment over one database."""

    def __init__(self, python: Path, cluster: Cluster, database: str) -> None:
        self._programs = python.parent
        self._cluster, self._database = cluster, database

    def create(self, collections: Path) -> None:
        """An empty database that knows the collections, the types of the queryables, and an index on the cloud."""
        self._cluster.ask("postgres", f"DROP DATABASE IF EXISTS {self._database} WITH (FORCE)")
        self._cluster.ask("postgres", f"CREATE DATABASE {self._database}")
        self._pypgstac("migrate")
        self._cluster.ask("postgres", f"ALTER DATABASE {self._database} SET search_path TO pgstac, public")
        self._pypgstac("load", "collections", collections, "--method", "upsert")

    def load(self, items: Path) -> None:
        """All items, by its own loader."""
        self._pypgstac("load", "items", items, "--method", "upsert")

    def index(self, folder: Path) -> None:
        """Untyped properties would be compared as text: tell the types, index the cloud cover, and analyse."""
        properties = {
            queryable.name: _JSON_SCHEMA[queryable.kind]
            for queryable in QUERYABLES
            if queryable.name not in {"id", "collection", "datetime"}
        }
        queryables = folder / "queryables.json"
        queryables.write_text(json.dumps({"$id": "https://example.com/queryables", "properties": properties}))
        self._pypgstac("load_queryables", queryables, "--index_fields", '["eo:cloud_cover"]')
        self._cluster.ask(self._database, "VACUUM ANALYZE")

    def server(self, *, workers: str, log: Path) -> Server:
        """Its STAC API."""
        return self._server("stac_fastapi.pgstac.app:create_app", "--factory", workers, log, "/_mgmt/ping", {})

    def tile_server(self, *, workers: str, log: Path, **environment: str) -> Server:
        """titiler-pgstac over the same database."""
        return self._server("titiler.pgstac.main:app", "", workers, log, "/healthz", environment)

    def _server(
        self, app: str, factory: str, workers: str, log: Path, ready: str, environment: Mapping[str, str]
    ) -> Server:
        command = [str(self._programs / "uvicorn"), app, *filter(None, [factory]), "--port", "{port}"]
        database = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self._cluster.port),
            "PGUSER": _USER,
            "PGPASSWORD": _USER,
            "PGDATABASE": self._database,
        }
        more = ["--workers", workers, "--no-access-log", "--log-level", "warning"]
        return Server("pgstac", [*command, *more], log=log, environment={**database, **environment}, ready=ready)

    def _pypgstac(self, *arguments: str | Path) -> None:
        address = ["--dsn", self._cluster.address(self._database)]
        subprocess.run([self._programs / "pypgstac", *arguments, *address], check=True, stdout=subprocess.DEVNULL)


def _programs() -> Path:
    found: Sequence[Path] = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])
    )
    if not found:
        raise SystemExit(
            "PostgreSQL and PostGIS are needed: sudo apt-get install postgresql-15 postgresql-15-postgis-3"
        )
    return found[-1].parent
