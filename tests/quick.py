"""Settings with which Spark starts fast, and isn't tuned for long work."""

QUICK_COMPILER = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m"
"""As jobs/README.md recommends for few rows."""
QUICK_JVM = f"{QUICK_COMPILER} -XX:+UseSerialGC"
"""A thousand tiny Spark jobs: compiling them well costs more than it saves."""

INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
}
"""A run on a few rows spends a third of its time on compiling what Spark generates; `tests/brier` compiles it, as users do."""
COMPILED = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "true",
}

FAST_TO_START = {"spark.driver.extraJavaOptions": QUICK_JVM, **INTERPRETED}
