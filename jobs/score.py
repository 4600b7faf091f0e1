"""For spark-submit, with the packages and properties that conf/cluster.yml tells."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib"))  # a checkout that isn't installed

from brierlake.cli import score

if __name__ == "__main__":
    score()
