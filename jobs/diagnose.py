"""For spark-submit: `spark-submit --properties-file conf/spark-defaults.conf jobs/diagnose.py --config FILE`."""

from brierlake.cli import diagnose

if __name__ == "__main__":
    diagnose()
