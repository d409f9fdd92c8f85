rule tables:
    input:
        spec=study.spec("results/tables"),
        runs=study.inputs("results/tables"),
    output:
        update(study.tables),
        record=update("results/tables/run.json"),
    log:
        "logs/tables.log",
    localrule: True
    shell:
        "exec cmivae tables 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"


rule figures:
    input:
        spec=study.spec("results/figures"),
        cells=study.inputs("results/figures"),
    output:
        update(study.figures),
        record=update("results/figures/run.json"),
    log:
        "logs/figures.log",
    localrule: True
    shell:
        "exec cmivae figures 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"
