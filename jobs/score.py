"""For spark-submit: `spark-submit --properties-file conf/spark-defaults.conf jobs/score.py --config FILE`."""

from brierlake.cli import score

if __name__ == "__main__":
    score()
