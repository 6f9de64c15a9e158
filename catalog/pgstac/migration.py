"""Making the database: pgSTAC's own schema by its own migrations, ours beside it, the two roles that use both.

Only `imagery-node catalog migrate` comes here, as a role that may create schemas, roles and extensions; who serves or
publishes finds the database as it must be, or says what to run.
"""

import secrets

import psycopg
from psycopg import sql
from pydantic import SecretStr

from catalog.errors import UnusableStoreError
from catalog.pgstac.database import Database, Session, check_address, translated
from catalog.queryable import QUERYABLES

PGSTAC_VERSION = "0.10.0"
SCHEMA_VERSION = 1
READER = "imagery_node_reader"
WRITER = "imagery_node_writer"

_TYPES = {"number": "double precision", "text": 'text COLLATE "C"', "time": "bigint"}
"""Times are microseconds since 1970, texts are ordered by their characters: both as the embedded store has them."""

_COLUMNS = ", ".join(
    f"{queryable.column} {_TYPES[queryable.kind]}"
    for queryable in QUERYABLES
    if queryable.column not in {"collection", "id"}
)

# `reverse_us` is minus the acquisition time: ascending is newest first, which lets one row comparison continue a page.
# `west` > `east` crosses the antimeridian.
_SCHEMA = f"""
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE SCHEMA imagery_node;
SET LOCAL search_path = imagery_node, public;
CREATE TABLE fact(name text PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE feed(only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), sequence bigint NOT NULL DEFAULT 0);
CREATE TABLE change(
    sequence bigint PRIMARY KEY, action text NOT NULL, collection text NOT NULL, id text NOT NULL,
    version text NOT NULL, changed timestamptz NOT NULL, reason text,
    west double precision NOT NULL, south double precision NOT NULL,
    east double precision NOT NULL, north double precision NOT NULL
);
CREATE TABLE collection(
    id text COLLATE "C" PRIMARY KEY, document bytea NOT NULL, wording text NOT NULL, items bigint NOT NULL DEFAULT 0,
    west double precision, south double precision, east double precision, north double precision
);
CREATE TABLE item(
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection text COLLATE "C" NOT NULL REFERENCES collection, id text COLLATE "C" NOT NULL,
    version text NOT NULL, reverse_us bigint NOT NULL, gsd_m double precision NOT NULL, {_COLUMNS},
    words text NOT NULL, geometry geometry NOT NULL,
    west double precision NOT NULL, south double precision NOT NULL,
    east double precision NOT NULL, north double precision NOT NULL
);
CREATE UNIQUE INDEX item_id ON item(id, collection);
CREATE INDEX item_newest ON item(reverse_us, collection, id);
CREATE INDEX item_newest_of_collection ON item(collection, reverse_us, id);
CREATE INDEX item_by_name ON item(collection, id);
CREATE INDEX item_by_cloud_cover ON item(cloud_cover, reverse_us, collection, id);
CREATE INDEX item_place ON item USING gist(geometry, reverse_us);
CREATE INDEX item_words ON item USING gin(words gin_trgm_ops);
CREATE TABLE document(key bigint PRIMARY KEY REFERENCES item ON DELETE CASCADE, document bytea NOT NULL);
CREATE TABLE tombstone(
    collection text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, sequence bigint NOT NULL REFERENCES change,
    document bytea NOT NULL, PRIMARY KEY(collection, id)
);
CREATE TABLE field(
    collection text NOT NULL, name text NOT NULL, types text[] NOT NULL, texts text[], PRIMARY KEY(collection, name)
);
CREATE TABLE loaded(file text PRIMARY KEY);
CREATE SEQUENCE holder AS integer CYCLE;
CREATE TABLE claim(scene text PRIMARY KEY, fence bigint NOT NULL, holder integer, heartbeat timestamptz NOT NULL);
INSERT INTO feed DEFAULT VALUES;
"""

_READER_TIMEOUTS = {
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "30s",
}
_WRITER_TIMEOUTS = {
    "statement_timeout": "1h",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "10min",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""L03 for who reads; a load is one long statement. A writer whose machine died loses its locks with its connection."""

_ROLES = {
    READER: (_READER_TIMEOUTS, ["SELECT"]),
    WRITER: (_WRITER_TIMEOUTS, ["SELECT", "INSERT", "UPDATE", "DELETE"]),
}


def migrate(address: SecretStr) -> str:
    """Bring a database to this program's version, from an empty one or an older one; gives pgSTAC's version.

    Raises:
        StoreUnavailableError: It cannot be reached, or the role may not.
        UnusableStoreError: A newer program made it, or the address cannot be read.
    """
    from pypgstac.db import PgstacDB
    from pypgstac.migrate import Migrate

    check_address(address)
    Database(address).connect().close()  # pypgstac's pool would try for half a minute
    with translated():
        pgstac = PgstacDB(dsn=address.get_secret_value())
        try:
            version = Migrate(pgstac).run_migration(PGSTAC_VERSION)
        finally:
            pgstac.disconnect()
            pgstac.close()
        with psycopg.connect(address.get_secret_value()) as connection:
            _make_schema(connection)
            _grant(connection)
    return str(version)


def check_versions(connection: Session) -> None:
    """See that the database is what this program knows.

    Raises:
        UnusableStoreError: It is not; it tells what to do.
    """
    made = connection.execute("SELECT to_regclass('imagery_node.fact'), to_regclass('pgstac.migrations')").fetchone()
    if made is None or None in made:
        raise UnusableStoreError("the database is not a catalogue yet: run `imagery-node catalog migrate`")
    schema = _schema_version(connection)
    found = connection.execute("SELECT version FROM pgstac.migrations ORDER BY datetime DESC, version DESC LIMIT 1")
    pgstac = (found.fetchone() or ("none",))[0]
    if (schema, pgstac) != (SCHEMA_VERSION, PGSTAC_VERSION):
        raise UnusableStoreError(
            f"the database has schema {schema} and pgSTAC {pgstac}, this program needs {SCHEMA_VERSION} and"
            f" {PGSTAC_VERSION}: run `imagery-node catalog migrate` of the newer of the two"
        )


def _make_schema(connection: Session) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('imagery_node.schema'))")
    if connection.execute("SELECT to_regclass('imagery_node.fact')").fetchone() == (None,):
        connection.execute(_SCHEMA.encode())
        connection.execute("INSERT INTO fact VALUES ('token_key', %s)", (secrets.token_bytes(32),))
        connection.execute("INSERT INTO fact VALUES ('schema', %s)", (str(SCHEMA_VERSION).encode(),))
    connection.execute("SET LOCAL search_path = imagery_node, public")
    schema = _schema_version(connection)
    if schema != SCHEMA_VERSION:
        raise UnusableStoreError(f"the database has schema {schema}, this program knows {SCHEMA_VERSION}")


def _schema_version(connection: Session) -> int:
    found = connection.execute("SELECT value FROM imagery_node.fact WHERE name = 'schema'").fetchone()
    return int(found[0]) if found else 0


def _grant(connection: Session) -> None:
    """Roles that may log in once they are given a password; timeouts stand on the roles, not the sessions (T13)."""
    for role, (timeouts, rights) in _ROLES.items():
        name = sql.Identifier(role)
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        for setting, value in timeouts.items():
            connection.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.Identifier(setting), value))
        tables = sql.SQL(", ").join(map(sql.SQL, rights))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA imagery_node, pgstac TO {}").format(name))
        connection.execute(sql.SQL("GRANT {} ON ALL TABLES IN SCHEMA imagery_node TO {}").format(tables, name))
        connection.execute(sql.SQL("GRANT SELECT ON pgstac.migrations TO {}").format(name))
    writer = sql.Identifier(WRITER)
    connection.execute(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA imagery_node TO {}").format(writer))
    connection.execute(sql.SQL("GRANT pgstac_ingest TO {}").format(writer))
