"""Settings with which Spark starts fast, and isn't tuned for long work."""

QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC"
"""A thousand tiny Spark jobs: compiling them well costs more than it saves."""

FAST_TO_START = {"spark.driver.extraJavaOptions": QUICK_JVM}
