"""Schemathesis on the whole STAC API, by readers with and without a token and by a writer: 5xx must be none.

    python -m benchmarks.fuzz_stac [--store sqlite] [--count 20000] [--seed 1]

Serves a node over a catalogue of generated items, with one protected collection, and asks every operation of its
OpenAPI document in turn: requests that fit the document and requests that do not, about ids that are there and ids
that are not. Then the same of `serve --transactions`, which is sent documents to keep. With `--store pgstac` the
catalogue lies in a PostgreSQL of its own, which readers and the writer enter by the roles that are theirs.
Ends with 1 when anything was answered with a status of 500 or above.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis import APIOperation, Case, GenerationMode

from benchmarks.server import Server
from catalog.pgstac.migration import READER, WRITER
from catalog.store import open_store
from tests.support.postgres import private_cluster
from tests.support.stac import COLLECTIONS, described_items, some_collection

ITEMS = described_items(300)
PROTECTED = COLLECTIONS[0]
TOKENS = {"CATALOG_READ_TOKEN": "r" * 40, "CATALOG_WRITE_TOKEN": "w" * 40, "CATALOG_SIGNING_KEY": "s" * 40}
KNOWN = {
    **{"collection_id": PROTECTED, "collection": PROTECTED, "key": "visual"},
    **{name: next(item["id"] for item in ITEMS if item["collection"] == PROTECTED) for name in ("item_id", "item")},
}
BATCH = 50
"""So many requests at most are made of one operation before the next one has its turn, in a short run fewer."""

Answers = Counter[tuple[str, int]]
"""How often each operation answered with each status."""


def fuzz(url: str, *, count: int, first_seed: int, headers: Mapping[str, str]) -> Answers:
    """Ask every operation of the API at `url` in turn until `count` requests were answered."""
    schema = schemathesis.openapi.from_url(f"{url}/api", headers=dict(headers))
    operations = [(found.ok(), _cases(found.ok())) for found in schema.get_all_operations()]
    batch = min(BATCH, -(-count // len(operations)))  # every operation has a turn
    answers: Answers = Counter()
    round_number = 0
    with requests.Session() as session:
        session.headers.update(headers)
        while answers.total() < count:
            for operation, cases in operations:
                if answers.total() < count:
                    ask = _asking(operation, cases, session, answers, max_examples=batch)
                    seed(first_seed + round_number)(ask)()
            round_number += 1
    return answers


def _asking(
    operation: APIOperation,
    cases: st.SearchStrategy[Case],
    session: requests.Session,
    answers: Answers,
    *,
    max_examples: int,
) -> Callable[[], None]:
    """A test of one operation, to be given a seed and run."""

    @settings(
        max_examples=max_examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def ask(case: Case) -> None:
        try:
            answer = case.call(session=session, timeout=60, allow_redirects=False)
        except requests.exceptions.InvalidHeader:  # a header that no client would send
            return
        answers[operation.label, answer.status_code] += 1
        if answer.status_code >= 500:
            print(f"{answer.status_code}: {case.as_curl_command()}\n{answer.text[:300]}", file=sys.stderr)

    return ask


def _cases(operation: APIOperation) -> st.SearchStrategy[Case]:
    names = {parameter.name for parameter in operation.path_parameters}
    known = {name: KNOWN[name] for name in names & KNOWN.keys()}
    modes = [GenerationMode.POSITIVE]
    if any((operation.query, operation.path_parameters, operation.headers, operation.body)):
        modes.append(GenerationMode.NEGATIVE)
    return st.one_of(
        strategy
        for mode in modes
        for strategy in (
            operation.as_strategy(mode),
            *([operation.as_strategy(mode, path_parameters=known)] if known else ()),
        )
    )


@contextmanager
def serving(home: Path, database: SecretStr | None, *options: str) -> Iterator[str]:
    """A node over a catalogue of items; gives the address of its STAC API."""
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", str(home), "--port", "{port}", *options]
    environment = {**TOKENS, "CATALOG_PROTECTED": PROTECTED}
    if database is not None:
        environment["CATALOG_DATABASE"] = database.get_secret_value()
    with Server("node", command, log=home / "serve.log", environment=environment) as server:
        yield f"{server.url}/stac"


def fill(home: Path, database: SecretStr | None) -> None:
    """Make the catalogue."""
    store = open_store(home, database=database)
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
    store.load(ITEMS)
    store.close()


def main() -> int:
    """Fuzz, print the statuses and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "pgstac"), default="sqlite")
    parser.add_argument("--count", type=int, default=20_000, help="requests in all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    senders = {"anyone": None, "a reader": "CATALOG_READ_TOKEN", "a writer": "CATALOG_WRITE_TOKEN"}
    answers: Answers = Counter()
    with ExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        address = opened.enter_context(_new_database()) if options.store == "pgstac" else _no_database
        fill(home, address(WRITER))
        for number, (sender, token) in enumerate(senders.items()):
            writes = sender == "a writer"
            headers = {"Authorization": f"Bearer {TOKENS[token]}"} if token else {}
            more = ("--transactions",) if writes else ()
            with serving(home, address(WRITER if writes else READER), *more) as url:
                found = fuzz(
                    url,
                    count=-(-options.count // len(senders)),
                    first_seed=options.seed + 10_000 * number,
                    headers=headers,
                )
            _report(sender, found)
            answers += found
    broken = sum(times for (_, status), times in answers.items() if status >= 500)
    print(f"{options.store}: {answers.total()} requests, {broken} answered with 5xx; seed {options.seed}")
    return 1 if broken else 0


def _no_database(role: str) -> None:
    """The catalogue lies in the home."""


@contextmanager
def _new_database() -> Iterator[Callable[[str], SecretStr]]:
    """An empty catalogue in PostgreSQL; gives its address as a role."""
    with private_cluster() as cluster, cluster.new_database() as name:
        yield lambda role: cluster.address(name, role)


def _report(sender: str, answers: Answers) -> None:
    by_status: Counter[int] = Counter()
    for (_, status), times in answers.items():
        by_status[status] += times
    operations = len({label for label, _ in answers})
    shown = ", ".join(f"{times} × {status}" for status, times in sorted(by_status.items()))
    print(f"{sender}: {operations} operations, {shown}")


if __name__ == "__main__":
    sys.exit(main())
