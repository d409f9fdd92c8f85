rule tables:
    input:
        spec=study.spec("results/tables"),
        runs=study.inputs("results/tables"),
    output:
        study.tables,
        record="results/tables/run.json",
    log:
        "logs/tables.log",
    shell:
        "cmivae tables 2> >(tee {log:q} >&2)"


rule figures:
    input:
        spec=study.spec("results/figures"),
        cells=study.inputs("results/figures"),
    output:
        study.figures,
        record="results/figures/run.json",
    log:
        "logs/figures.log",
    shell:
        "cmivae figures 2> >(tee {log:q} >&2)"
