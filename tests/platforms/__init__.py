"""The parts that a lakehouse is made of, real ones on loopback: stores, YARN, a metastore, MLflow's server, readers."""
