rule train:
    input:
        spec=study.spec("runs/train/{config}/s{seed}"),
        data=study.prepared,
    output:
        record=update("runs/train/{config}/s{seed}/run.json"),
    log:
        "logs/train/{config}/s{seed}.log",
    benchmark:
        "logs/benchmarks/train/{config}/s{seed}.tsv"
    threads: study.threads
    resources:
        gpu=1,
        mem_mb=6000,
    shell:
        "exec cmivae train {wildcards.config:q} {wildcards.seed:q} 2> >(trap '' INT TERM HUP USR1; exec tee {log:q} >&2)"


# One target a configuration, for `dvc repro`: its seeds fan out.
for _config in study.configs:

    rule:
        name:
            f"train_{_config}"
        input:
            study.runs_of("train", _config),
        localrule: True
