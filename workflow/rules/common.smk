from cmivae.workflow import open_study

# Outputs are marked `update`: Snakemake would else delete a finished run before a job that finds it current. Each is
# built aside and put in place when whole, so none is ever half-written.

# Checks params.yaml strictly, and tells Snakemake what is stale: once, before the DAG is built.
study = open_study()


wildcard_constraints:
    dataset="|".join(study.datasets),
    config="|".join(study.configs),
    seed=r"\d+",
