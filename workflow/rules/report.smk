rule tables:
    input:
        spec=study.spec("results/tables"),
        runs=study.inputs("results/tables"),
    output:
        update(study.tables),
        update(
            report(
                study.table_files, caption="../report/tables.rst", category="Tables"
            )
        ),
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
        update(
            report(study.pictures, caption="../report/figures.rst", category="Figures")
        ),
        record=update("results/figures/run.json"),
    log:
        "logs/figures.log",
    localrule: True
    shell:
        "exec cmivae figures 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"


rule report:
    input:
        spec=study.spec("results/report"),
        records=study.inputs("results/report"),
    output:
        update(report(study.report, caption="../report/page.rst", category="Report")),
        record=update("results/report/run.json"),
    log:
        "logs/report.log",
    localrule: True
    shell:
        "exec cmivae report 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"
