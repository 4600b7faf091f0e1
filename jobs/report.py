"""For spark-submit: `spark-submit --properties-file conf/spark-defaults.conf jobs/report.py --config FILE`."""

from brierlake.cli import report

if __name__ == "__main__":
    report()
