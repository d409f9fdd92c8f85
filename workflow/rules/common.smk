from snakemake.utils import validate
from cmivae.workflow import open_study

# Checks params.yaml strictly, and tells Snakemake what is stale: once, before the DAG is built.
study = open_study()

# The same in the form that editors and other tools read; made by `cmivae schema`.
validate(config, "../schemas/params.schema.json", set_default=False)


wildcard_constraints:
    dataset="|".join(study.datasets),
    config="|".join(study.configs),
    seed=r"\d+",
