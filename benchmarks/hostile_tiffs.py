"""Damaged and hostile TIFFs before both of our readers: the builder's and the server's.

    python -m benchmarks.hostile_tiffs [--count 2000] [--seed 1] [--keep FOLDER]

Tiny good TIFFs of many layouts are mutated by script: bits of header or data flipped, bytes cut out or doubled, files
cut short, tags edited, directories looped. Each mutant goes through the builder (`read_tiff_header`, then the decoding
child) or through the server's reader (`open_cog`, then every block), each in a process of its own under a watchdog.
A reader gets mutants of the layouts that it reads.
Ends with 1 when a reader died, hung, let an unknown error out, or gave pixels of another size.
"""

import argparse
import contextlib
import json
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Self

from affine import Affine

from benchmarks.tiff_mutants import Mutant, Shape, good_tiffs, mutants
from cog_builder.deliveries.tiff_header import read_tiff_header
from cog_builder.errors import BuildResourceError, CogBuilderError
from cog_builder.scene import ImagePart, MapReference
from cog_builder.source_raster import decode_part
from imagery_node.block import decode_block
from imagery_node.cog import open_cog
from imagery_node.errors import UnreadableAssetError

HANG_S = 30.0
CHILD_HANG_S = 20.0
READER_BYTES = 3 * 1024**3
"""Address space of a reader's process: more than any honest file needs."""

REFUSED, DECODED, OTHER_SIZE, HANG = "refused", "decoded", "another size", "hang"
MUST_BE_NONE = (OTHER_SIZE, HANG, "signal", "unknown error")


@dataclass(frozen=True)
class Verdict:
    """What a reader made of one file."""

    outcome: str
    """Refused, decoded, or one that must not be; with the signal or the error behind a colon."""
    digest: str
    """Of the decoded pixels."""
    seconds: float


def build_reader(path: Path, shape: Shape) -> tuple[str, str]:
    """As the builder does it: the header must be of the shape the XML tells; then the child decodes."""
    header = read_tiff_header(path)
    if (header.height, header.width, header.band_count) != shape or header.sample_bits not in (8, 16):
        return REFUSED, ""
    part = ImagePart((path,), header.width, header.height, MapReference(4326, Affine.identity()))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            raw = decode_part(part, header.band_count, Path(folder), timeout_s=CHILD_HANG_S)
        except BuildResourceError:
            return HANG, ""
        pixels = raw.read((0, shape[0]), (0, shape[1]))
        [file] = Path(folder).iterdir()
        right = pixels.shape == shape and file.stat().st_size == pixels.nbytes
        return DECODED if right else OTHER_SIZE, sha256(pixels).hexdigest()


def serve_reader(path: Path, shape: Shape) -> tuple[str, str]:
    """As the server does it: the header, then every block of every level, of whatever shape the file says it is."""
    cog = open_cog(path)
    digest = sha256()
    for index, level in enumerate(cog.levels):
        _, rows, cols = level.offsets.shape
        for row in range(rows):
            for col in range(cols):
                block = decode_block(cog, index, row, col)
                if block.pixels.shape != (*level.block_shape, level.samples):
                    return OTHER_SIZE, ""
                digest.update(block.pixels.tobytes())
    return DECODED, digest.hexdigest()


READERS: dict[str, Callable[[Path, Shape], tuple[str, str]]] = {
    "builder": build_reader,
    "server": serve_reader,
}


def answer_forever(reader: str) -> None:
    """What a reader's process does: a path and a shape per line in, what became of it out."""
    resource.setrlimit(resource.RLIMIT_AS, (READER_BYTES, READER_BYTES))
    for line in sys.stdin:
        path, *shape = json.loads(line)
        try:
            outcome, digest = READERS[reader](Path(path), tuple(shape))
        except (CogBuilderError, UnreadableAssetError):
            outcome, digest = REFUSED, ""
        except Exception as error:  # noqa: BLE001  # any other error is what is looked for
            outcome, digest = f"unknown error: {type(error).__name__}: {error}", ""
        print(json.dumps([outcome, digest]), flush=True)


class Watched:
    """A reader's process that is started again whenever it dies or hangs; a context manager that ends it."""

    def __init__(self, reader: str) -> None:
        self._command = [sys.executable, "-W", "ignore", "-m", "benchmarks.hostile_tiffs", "--reader", reader]
        self.process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.stop()

    def judge(self, path: Path, shape: Shape) -> Verdict:
        """Show it one file."""
        began = time.perf_counter()
        with contextlib.suppress(BrokenPipeError):  # it has died already, which its output tells
            self.process.stdin.write(json.dumps([str(path), *shape]) + "\n")
            self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], HANG_S)
        line = self.process.stdout.readline() if ready else ""
        seconds = time.perf_counter() - began
        if line:
            return Verdict(*json.loads(line), seconds)
        outcome = f"signal: {self._end()}" if ready else HANG
        self.stop()
        self.process = self._started()
        return Verdict(outcome, "", seconds)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def _end(self) -> str:
        status = self.process.wait()
        return signal.Signals(-status).name if status < 0 else f"exit {status}"

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class Judged:
    """One mutant before one reader."""

    reader: str
    mutant: Mutant
    verdict: Verdict
    digest: str
    """Of the pixels before the mutation."""

    @property
    def kind(self) -> str:
        """The outcome, told apart by whether the pixels stayed what they were."""
        if self.verdict.outcome == DECODED:
            return "decoded alike" if self.verdict.digest == self.digest else "decoded otherwise"
        return self.verdict.outcome.partition(":")[0]

    @property
    def is_wrong(self) -> bool:
        """Whether this must not happen."""
        return self.kind in MUST_BE_NONE


def judge_all(count: int, seed: int, folder: Path) -> list[Judged]:
    """Show `count` mutants to every reader, the readers at the same time."""
    goods = good_tiffs(folder / "good")
    with ThreadPoolExecutor(len(READERS)) as pool:
        judged = pool.map(lambda reader: list(_judged(reader, goods, count, seed, folder / reader)), READERS)
        return list(chain(*judged))


def _judged(reader: str, goods: dict[Path, Shape], count: int, seed: int, place: Path) -> Iterator[Judged]:
    place.mkdir()
    with Watched(reader) as watched:
        verdicts = {path: watched.judge(path, shape) for path, shape in goods.items()}
        digests = {path: verdict.digest for path, verdict in verdicts.items() if verdict.outcome == DECODED}
        for number, mutant in enumerate(mutants(digests, count, seed)):
            path = place / f"{number}.tif"
            path.write_bytes(mutant.content)
            judged = Judged(reader, mutant, watched.judge(path, goods[mutant.good]), digests[mutant.good])
            if not judged.is_wrong:
                path.unlink()
            yield judged


def print_table(judged: list[Judged]) -> None:
    for reader in READERS:
        of_reader = [one for one in judged if one.reader == reader]
        slowest = max(of_reader, key=lambda one: one.verdict.seconds)
        print(f"\n{reader}: {len(of_reader)} mutants; slowest {slowest.verdict.seconds:.2f} s ({slowest.mutant})")
        counts = Counter((one.mutant.mutation, one.kind) for one in of_reader)
        kinds = ["refused", "decoded alike", "decoded otherwise", *MUST_BE_NONE]
        print(f"{'':12}" + "".join(f"{kind:>19}" for kind in kinds))
        for mutation in sorted({one.mutant.mutation for one in of_reader}):
            print(f"{mutation:12}" + "".join(f"{counts[mutation, kind]:19}" for kind in kinds))
        print(f"{'all':12}" + "".join(f"{sum(one.kind == kind for one in of_reader):19}" for kind in kinds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="mutants per reader (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder that keeps the mutants that went wrong")
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        answer_forever(options.reader)
        return 0
    with tempfile.TemporaryDirectory(prefix="hostile-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        began = time.monotonic()
        judged = judge_all(options.count, options.seed, folder)
        print_table(judged)
        wrong = [one for one in judged if one.is_wrong]
        for one in wrong[:40]:
            print(f"WRONG {one.reader}: {one.verdict.outcome} ({one.mutant})")
        print(f"\n{len(wrong)} wrong of {len(judged)} in {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
