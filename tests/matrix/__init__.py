"""Older rows of Spark, Delta and MLflow, each in a virtual environment of its own."""
