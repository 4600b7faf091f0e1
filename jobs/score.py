"""For spark-submit: `spark-submit --properties-file conf/spark-defaults.conf jobs/score.py --config conf/cluster.yml`."""

from brierlake.cli import score

if __name__ == "__main__":
    score()
