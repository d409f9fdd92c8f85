rule fetch:
    input:
        spec=study.spec("data/raw/{dataset}"),
    output:
        record=update("data/raw/{dataset}/run.json"),
    log:
        "logs/fetch/{dataset}.log",
    localrule: True  # nodes of a cluster often have no network
    resources:
        mem_mb=1000,
    shell:
        "exec cmivae fetch {wildcards.dataset:q} 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"


rule prepare:
    input:
        spec=study.spec("data/prepared/{dataset}"),
        raw=rules.fetch.output.record,
    output:
        record=update("data/prepared/{dataset}/run.json"),
    log:
        "logs/prepare/{dataset}.log",
    benchmark:
        "logs/benchmarks/prepare/{dataset}.tsv"
    threads: study.threads
    resources:
        mem_mb=2000,
    shell:
        "exec cmivae prepare {wildcards.dataset:q} 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"
