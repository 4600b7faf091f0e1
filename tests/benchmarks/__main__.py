"""All benchmarks, one after the other: `python -m tests.benchmarks [--size small|4m|100m|1b] > performance.md`.

small takes minutes, and shows that all of it runs; 4m is what tests/README.md quotes; 100m and 1b add the diagnostics of so
many predictions. Leave the machine alone meanwhile. Install the extra `bench` to compare with others too.
"""

import argparse
import subprocess
import sys

from tests.benchmarks.measure import machine

PLANS = {
    "small": [
        ["scoring", "--rows", "200000", "--rounds", "3"],
        ["whole_job", "--rows", "200000", "--models", "lr"],
        ["small_run"],
        ["honesty", "--worlds", "20", "--step", "10"],
        ["history", "--days", "3,30"],
        ["diagnostics", "--size", "small", "--rounds", "3"],
        ["growth", "--rows", "100000", "--features", "5,20", "--keys", "11,110", "--versions", "3,10"],
        ["registry", "2", "20"],
    ],
    "4m": [
        ["scoring", "--rows", "4000000", "--more"],
        ["whole_job", "--rows", "4000000,16000000"],
        ["small_run", "--cold"],
        ["honesty"],
        ["history"],
        ["diagnostics", "--size", "small"],
        [
            *("growth", "--rows", "1000000,4000000,16000000,64000000", "--features", "5,20,100,400"),
            *("--keys", "11,110,1100,11000", "--versions", "10,100,1000"),
        ],
        ["registry", "5", "200"],
    ],
    "100m": [["diagnostics", "--size", "100m", "--rounds", "3"]],
    "1b": [["diagnostics", "--size", "1b"]],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=PLANS, default="small")
    given = parser.parse_args()
    print(f"# Measured\n\n{machine()}", flush=True)
    failed = []
    for name, *arguments in PLANS[given.size]:
        print(f"\n## {name} {' '.join(arguments)}\n", flush=True)
        ended = subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *arguments], check=False)
        failed += [name] if ended.returncode else []
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
