"""Whatever bytes a file holds: a reader gives a result or one of our own errors, soon, and in bounded memory.

``python -m tests.fuzz [--inputs 100000] [--readers NAME ...] [--seed 1]`` changes honest files at random, reads them in
processes of their own, and counts by reader. It ends with 1 if a reader gave a traceback, took longer than 5 s, took
more than 1 GiB, or died; the input is then kept in ``--keep`` (default ``tests/fuzz_seeds``, which the tests read).
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sinkest.errors import SinkestError
from tests.fuzz_readers import Reader, make_readers, repack

SECONDS = 5.0
MEMORY_BYTES = 2**30
KEPT = Path(__file__).with_name("fuzz_seeds")
ODD = [b"\0", b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x80", b"-", b"1e999", b"nan", b"\n", b'"', b",", b"[[[[", b"{",
       b"../", b"<!ENTITY x SYSTEM 'file:///etc/passwd'>", b"&x;", "杉木".encode("gbk"), b"=1+1", b"\xef\xbb\xbf",
       b"99999999999999999999", b"-1", b"true", b"null", b"\x1b[2J", b"$HOME"]  # fmt: skip
PACKED = (b"PK\3\4",)


@dataclass
class Tally:
    """What became of the inputs of one reader."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    memory_mib: int = 0
    wrong: list[str] = field(default_factory=list)


def mutated(seeds: tuple[bytes, ...], rng: random.Random) -> bytes:
    """A seed with a few changes."""
    content = rng.choice(seeds)
    if content.startswith(PACKED) and rng.random() < 0.5:
        return repack(content, lambda inner: _changed(inner, seeds, rng), lambda count: rng.randrange(count))
    return _changed(content, seeds, rng)


def _changed(content: bytes, seeds: tuple[bytes, ...], rng: random.Random) -> bytes:
    held = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        # heads of files hold counts and offsets, so that half of the changes go there
        reach = min(len(held), 600) if rng.random() < 0.5 else len(held)
        place = rng.randrange(reach + 1)
        how = rng.randrange(8)
        if how == 0 and held:
            held[min(place, len(held) - 1)] ^= 1 << rng.randrange(8)
        elif how == 1:
            held[place : place + 1] = bytes([rng.randrange(256)])
        elif how == 2:
            held[place : place + rng.randrange(1, 60)] = b""
        elif how == 3:
            held[place:place] = held[place : place + rng.randrange(1, 200)] * rng.randrange(1, 4)
        elif how == 4:
            held[place:place] = rng.choice(ODD)
        elif how == 5:
            odd = rng.choice(ODD)
            held[place : place + len(odd)] = odd
        elif how == 6:
            _swap_number(held, rng)
        else:
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            held[place : place + 40] = other[start : start + rng.randrange(1, 80)]
    return bytes(held[: rng.randrange(len(held) + 1)]) if rng.random() < 0.08 else bytes(held)


def _swap_number(held: bytearray, rng: random.Random) -> None:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", held))
    if found:
        one = rng.choice(found)
        held[one.start() : one.end()] = rng.choice([b"0", b"-1", b"1e400", b"nan", b"9" * 30, b'""', b"[]", b"true"])


def judge(reader: Reader, path: Path) -> str:
    """``read``, ``refused``, or what went wrong in reading a file."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        reader.read(path)
    except SinkestError as error:
        texts = [error.message.text(language) for language in ("zh", "en")]
        return "refused" if all(texts) else "an error without a text"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:120]} ({Path(where.filename).name}:{where.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "read"


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS:g} s")


def limit_memory() -> None:
    """No more than so much above what the program itself takes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, resource.RLIM_INFINITY))


def _work(name: str, count: int, seed: int, folder: Path, out: Path) -> None:
    """Read so many inputs of one reader; progress and findings go to a file, a line each."""
    warnings.simplefilter("ignore")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    reader = make_readers(folder)[name]
    for seed_bytes in reader.seeds:
        (folder / reader.name).write_bytes(seed_bytes)
        judge(reader, folder / reader.name)  # what is loaded or compiled at the first call is no input's doing
    signal.signal(signal.SIGALRM, _too_long)
    limit_memory()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rng = random.Random(f"{name} {seed}")
    path = folder / reader.name
    with out.open("a", encoding="utf-8") as told:
        for _ in range(count):
            content = mutated(reader.seeds, rng)
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            begun = time.monotonic()
            verdict = judge(reader, path)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024
            told.write(json.dumps([verdict, time.monotonic() - begun, grown]) + "\n")
            told.flush()
            if verdict not in {"read", "refused"}:
                _keep(content, name, path.suffix, out.parent / "kept")


def _keep(content: bytes, name: str, suffix: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(content).hexdigest()[:12]
    path = folder / f"{name.replace(' ', '-')}--{digest}{suffix}"
    path.write_bytes(content)
    return path


def fuzz(name: str, count: int, seed: int, scratch: Path) -> Tally:
    """Read so many changed files with one reader, in processes that may die."""
    tally, done, turn = Tally(), 0, 0
    while done < count and turn < 20:
        folder, out = scratch / f"{name}-{turn}", scratch / f"{name}-{turn}.log"
        process = os.fork()
        if process == 0:
            faulthandler.disable()
            try:
                _work(name, count - done, seed + turn * 1000, folder, out)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(70)
        status = _watched(process, out)
        lines = out.read_text().splitlines() if out.exists() else []
        for verdict, seconds, memory in map(json.loads, lines):
            tally.counts["read" if verdict == "read" else "refused" if verdict == "refused" else "wrong"] += 1
            tally.slowest_s, tally.memory_mib = max(tally.slowest_s, seconds), max(tally.memory_mib, memory)
            if verdict not in {"read", "refused"}:
                tally.wrong.append(verdict)
        done, turn = done + len(lines), turn + 1
        if status != 0:
            done += 1
            tally.counts["wrong"] += 1
            tally.wrong.append(f"the process ended with {status}")
            _keep(_last(folder), name, ".bin", scratch / "kept")
    return tally


def _last(folder: Path) -> bytes:
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith("seed")]
    return max(files, key=lambda path: path.stat().st_mtime_ns).read_bytes() if files else b""


def _watched(process: int, out: Path) -> int:
    """Exit code of a process; one that tells nothing for long is ended."""
    last, since = -1, time.monotonic()
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        size = out.stat().st_size if out.exists() else 0
        if size != last:
            last, since = size, time.monotonic()
        elif time.monotonic() - since > 120.0:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def _names(folder: Path) -> list[str]:
    """All readers, listed in a process of its own: making them starts threads, which a later copy would wait for."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_listed, (folder,))


def _listed(folder: Path) -> list[str]:
    return list(make_readers(folder))


def main() -> int:
    """Print the counts; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", nargs="+", default=None)
    parser.add_argument("--keep", type=Path, default=KEPT)
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        names = options.readers or _names(scratch / "names")
        each = -(-options.inputs // len(names))
        print(f"{'reader':16} {'inputs':>7} {'read':>7} {'refused':>8} {'wrong':>6} {'slowest':>9} {'memory':>9}")
        total = wrong = 0
        for name in names:
            tally = fuzz(name, each, options.seed, scratch)
            counts = tally.counts
            total, wrong = total + sum(counts.values()), wrong + counts["wrong"]
            numbers = f"{sum(counts.values()):7d} {counts['read']:7d} {counts['refused']:8d} {counts['wrong']:6d}"
            print(f"{name:16} {numbers} {tally.slowest_s:7.2f} s {tally.memory_mib:5d} MiB", flush=True)
            for verdict, times in Counter(tally.wrong).most_common(5):
                print(f"    {times} x {verdict}", flush=True)
        for path in sorted((scratch / "kept").glob("*"))[:200]:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / path.name).write_bytes(path.read_bytes())
    print(f"{total} inputs, {wrong} wrong, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
