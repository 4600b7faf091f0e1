"""Run by spark-submit: tries to write commits through Delta's own log store as one of several; says which it won."""

import json
import sys
import time
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

log, class_name, count, me, meeting = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], Path(sys.argv[5])
spark = SparkSession.builder.getOrCreate()
jvm = spark._jvm
conf = spark._jsparkSession.sessionState().newHadoopConf()
folder = jvm.org.apache.hadoop.fs.Path(log)
folder.getFileSystem(conf).mkdirs(folder)
made = jvm
for part in class_name.split("."):
    made = getattr(made, part)
store = made(conf)
(meeting / f"ready-{me}").touch()
while len(list(meeting.glob("ready-*"))) < 3:
    time.sleep(0.01)
won, losses = [], set()
for version in range(count):
    path = jvm.org.apache.hadoop.fs.Path(folder, f"{version:020}.json")
    try:
        store.write(path, jvm.java.util.Collections.singletonList(me).iterator(), False, conf)
        won.append(version)
    except Py4JJavaError as error:
        losses.add(error.java_exception.getClass().getName())
time.sleep(2)
kept = []
for version in won:
    read = store.read(jvm.org.apache.hadoop.fs.Path(folder, f"{version:020}.json"), conf)
    if read.hasNext() and read.next() == me:
        kept.append(version)
print("\n" + json.dumps({"won": won, "kept": kept, "losses": sorted(losses)}))
spark.stop()
