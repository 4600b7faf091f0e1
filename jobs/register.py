"""Registers runs without the console command: `python jobs/register.py --config FILE --experiment NAME`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib"))  # a checkout that isn't installed

from brierlake.cli import register

if __name__ == "__main__":
    register()
