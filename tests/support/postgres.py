"""A private PostgreSQL with PostGIS in a temporary folder, and databases copied from one that is migrated once."""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from catalog.pgstac.migration import migrate

_TEMPLATE = "template_node"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "autovacuum": "off",
    "jit": "off",
}


class Cluster:
    """A running server; stop and start it as often as needed."""

    def __init__(self, programs, folder):
        self._programs, self._folder = programs, folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self._numbers = itertools.count()
        # The server refuses to run as root.
        self._owner = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if self._owner:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")

    def start(self):
        told = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        log = self._folder / "server.log"
        self._run("pg_ctl", "-w", "-l", log, "-o", f"-p {self.port} -k {self._folder} {told}", "start")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def restart(self):
        self.stop()
        self.start()

    def address(self, database, user="postgres"):
        return SecretStr(f"postgresql://{user}@127.0.0.1:{self.port}/{database}")

    def make_template(self):
        self.run_sql(f"CREATE DATABASE {_TEMPLATE}")
        migrate(self.address(_TEMPLATE))

    @contextmanager
    def new_database(self, template=_TEMPLATE):
        """The name of a database of its own; one that is migrated unless another template is named."""
        name = f"test_{next(self._numbers)}"
        self.run_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield name
        self.run_sql(f"DROP DATABASE {name} WITH (FORCE)")

    def run_sql(self, statement, database="postgres"):
        """Every row of one statement, as superuser."""
        with psycopg.connect(self.address(database).get_secret_value(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _run(self, program, *arguments):
        command = [self._programs / program, "-D", self._folder / "data", *arguments]
        done = subprocess.run(
            command, cwd=self._folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self._owner
        )
        assert done.returncode == 0, done.stdout


@contextmanager
def private_cluster():
    """A server with a migrated template, for as long as the tests run."""
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        cluster = Cluster(programs, folder)
        cluster.start()
        try:
            cluster.make_template()
            yield cluster
        finally:
            cluster.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_programs():
    """The newest server here that has PostGIS; without one the test is skipped, and fails in CI."""
    for programs in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name)):
        if Path(f"/usr/share/postgresql/{programs.parent.name}/extension/postgis.control").exists():
            return programs
    refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    return refuse("PostgreSQL with PostGIS is not installed: apt-get install postgresql-15 postgresql-15-postgis-3")
