# The DAG of a study, file by file. Rules only say who makes what; all logic is in src/cmivae, where it is tested.
from snakemake.utils import min_version, validate

min_version("9.0")


include: "workflow/rules/common.smk"


# The same check in the form that editors and other tools read (made by `cmivae schema`).
configfile: "params.yaml"


report: "workflow/report/workflow.rst"


validate(config, "workflow/schemas/params.schema.json", set_default=False)


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/embed.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


# All stages' outputs, not only the last: else a missing intermediate would not be made again.
rule all:
    default_target: True
    input:
        study.outputs(),
