#!/usr/bin/env python3
"""How long the CSV reader takes, against pandas.read_csv on the same file, in turns.

    make bench-csv                          (installs pandas into .tools)
    infra/bench/csv_vs_pandas.py [ROUNDS]   (needs pandas)

The file, 104,000 rows of 33 columns, is written by the Go benchmark. Exit status 1
when the reader takes more than twice as long as pandas.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

import pandas

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT = 2.0


def go(binary, path):
    """Seconds that one reading takes, mean over at least one second."""
    out = subprocess.run(
        [binary, "-test.run=^$", "-test.bench=^BenchmarkReadCSV$", "-test.benchtime=1s"],
        env={**os.environ, "LESTATS_BENCH_CSV": path},
        cwd=os.path.join(ROOT, "runtime", "dataset"),
        check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) ns/op", out).group(1)) / 1e9


def pandas_seconds(path):
    start = time.perf_counter()
    rows = len(pandas.read_csv(path, low_memory=False))
    seconds = time.perf_counter() - start
    assert rows == 104_000, rows
    return seconds


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        binary, path = os.path.join(folder, "dataset.test"), os.path.join(folder, "bench.csv")
        subprocess.run(["go", "test", "-c", "-o", binary, "./runtime/dataset"], cwd=ROOT, check=True)
        go(binary, path)  # writes the file
        pandas_seconds(path)  # warms up
        pairs = [(go(binary, path), pandas_seconds(path)) for _ in range(rounds)]
        size = os.path.getsize(path) / 1e6
    ours, theirs = (sorted(times)[rounds // 2] for times in zip(*pairs))
    print(f"{size:.0f} MB, medians of {rounds}: lestats {ours * 1e3:.0f} ms, "
          f"pandas {pandas.__version__} {theirs * 1e3:.0f} ms, ratio {ours / theirs:.2f} (at most {LIMIT})")
    return 0 if ours <= LIMIT * theirs else 1


if __name__ == "__main__":
    sys.exit(main())
