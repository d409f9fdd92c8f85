rule fetch:
    input:
        spec=study.spec("data/raw/{dataset}"),
    output:
        record="data/raw/{dataset}/run.json",
    log:
        "logs/fetch/{dataset}.log",
    resources:
        mem_mb=1000,
    shell:
        "cmivae fetch {wildcards.dataset:q} 2> >(tee {log:q} >&2)"


rule prepare:
    input:
        spec=study.spec("data/prepared/{dataset}"),
        raw=rules.fetch.output.record,
    output:
        multiext("data/prepared/{dataset}/", "images.safetensors", "subsets.json"),
        record="data/prepared/{dataset}/run.json",
    log:
        "logs/prepare/{dataset}.log",
    benchmark:
        "logs/benchmarks/prepare/{dataset}.tsv"
    resources:
        mem_mb=2000,
    shell:
        "cmivae prepare {wildcards.dataset:q} 2> >(tee {log:q} >&2)"
