"""The machine lacks something."""

from typing import Self

from brierlake.errors.base import BrierlakeError


class SetupError(BrierlakeError):
    """This machine lacks something that the job needs."""

    exit_code = 2

    @classmethod
    def no_java(cls, found: str | None, *, spark: str, needed: str) -> Self:
        have = f"found {found}" if found else "found none"
        return cls(
            f"Spark {spark} needs {needed} and {have}. Install a JDK (for example openjdk-17-jre-headless) "
            "or point JAVA_HOME at one."
        )

    @classmethod
    def old_spark(cls, found: str, oldest: str) -> Self:
        return cls(
            f"This is Spark {found}, and Brierlake needs Spark {oldest} or newer. On a platform choose a runtime that "
            "has it; elsewhere `pip install 'brierlake[local]'` brings one."
        )

    @classmethod
    def unfit_delta(cls, delta: str, spark: str, wanted: str) -> Self:
        return cls(
            f"delta-spark {delta} is made for PySpark {wanted}, and PySpark {spark} is installed. "
            f"Install those that fit together: `pip install -U delta-spark 'pyspark=={spark}'`, "
            "or brierlake with conf/constraints.txt."
        )

    @classmethod
    def no_delta_jars(cls, package: str) -> Self:
        return cls(
            f"Spark could not fetch a jar ({package}) from a Maven repository. Allow one to be reached, "
            "or give local jars with --set session.conf='{spark.jars: /path/a.jar,/path/b.jar}'."
        )

    @classmethod
    def no_delta_session(cls) -> Self:
        return cls(
            'The Spark session that is running has no Delta support. Start it with --packages "$(brierlake packages)" '
            "--properties-file conf/spark-defaults.conf, or with the same settings."
        )

    @classmethod
    def no_jars(cls, folder: str) -> Self:
        return cls(
            f"Which Hadoop this Spark is built with can't be told: there are no jars in {folder}. "
            "Name the connector of the cluster's own Hadoop yourself."
        )

    @classmethod
    def no_session(cls, reason: str) -> Self:
        return cls(f"Spark didn't start: {reason}")

    @classmethod
    def unreachable(cls, address: str, reason: str) -> Self:
        return cls(f"No Spark Connect server answers at {address} ({reason}). Check session.remote.")

    @classmethod
    def missing_extra(cls, extra: str, module: str) -> Self:
        return cls(f"This needs the package {module}: install it with `pip install 'brierlake[{extra}]'`.")
