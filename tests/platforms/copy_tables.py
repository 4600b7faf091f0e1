"""Run by spark-submit: copies Delta tables from one place to another, through Spark's own file systems."""

import sys

from pyspark.sql import SparkSession

source, target, *names = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
for name in names:
    spark.read.format("delta").load(f"{source}/{name}").write.format("delta").mode("overwrite").save(f"{target}/{name}")
spark.stop()
