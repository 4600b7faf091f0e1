"""Where the `brierlake` command begins: it says what to do where there is no PySpark, which all the rest imports."""

import sys


def main() -> None:
    """Run the command; exit code 2 where PySpark is missing or too old to be imported."""
    try:
        from brierlake.cli import main as command  # noqa: PLC0415 - it imports PySpark
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("pyspark", "py4j"):
            raise
        sys.stderr.write(
            "Error: Brierlake needs PySpark 4.0 or newer, and there is none that this Python can import "
            f"({error}). On a platform, use its own Python; elsewhere `pip install 'brierlake[local]'` brings one.\n"
        )
        sys.exit(2)
    command()


if __name__ == "__main__":
    main()
