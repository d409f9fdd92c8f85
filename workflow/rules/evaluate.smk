rule evaluate:
    input:
        spec=study.spec("runs/evaluate/{config}/s{seed}"),
        embedded=rules.embed.output.record,
        data=study.prepared,
    output:
        record=update("runs/evaluate/{config}/s{seed}/run.json"),
    log:
        "logs/evaluate/{config}/s{seed}.log",
    benchmark:
        "logs/benchmarks/evaluate/{config}/s{seed}.tsv"
    resources:
        mem_mb=3000,
    shell:
        "exec cmivae evaluate {wildcards.config:q} {wildcards.seed:q} 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"


rule baseline:
    input:
        spec=study.spec("runs/baseline/{dataset}"),
        data=rules.prepare.output.record,
    output:
        record=update("runs/baseline/{dataset}/run.json"),
    log:
        "logs/baseline/{dataset}.log",
    resources:
        mem_mb=3000,
    shell:
        "exec cmivae baseline {wildcards.dataset:q} 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"


rule evaluate_all:
    input:
        study.all_runs("evaluate"),
        study.baselines,
    localrule: True
