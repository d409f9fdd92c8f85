rule embed:
    input:
        spec=study.spec("runs/embed/{config}/s{seed}"),
        trained=rules.train.output.record,
        data=study.prepared,
    output:
        record=update("runs/embed/{config}/s{seed}/run.json"),
    log:
        "logs/embed/{config}/s{seed}.log",
    benchmark:
        "logs/benchmarks/embed/{config}/s{seed}.tsv"
    threads: study.threads
    resources:
        gpu=1,
        mem_mb=6000,
    shell:
        "exec cmivae embed {wildcards.config:q} {wildcards.seed:q} 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"


rule embed_all:
    input:
        study.all_runs("embed"),
    localrule: True
