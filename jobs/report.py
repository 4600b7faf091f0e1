"""For spark-submit: `spark-submit --properties-file conf/spark-defaults.conf jobs/report.py --config FILE`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib"))  # a checkout that isn't installed

from brierlake.cli import report

if __name__ == "__main__":
    report()
