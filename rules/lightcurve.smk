# The matchfile of a field, quadrant and filter: brought to its frozen list of epochs, which grows by command only.


# The list alone makes it grow. Snakemake keeps the old file until the job is done, and the step appends to it.
rule lightcurve_match:
    input:
        epochs=match_list,
        settings=ancient(settings("lightcurve")),
    output:
        matchfile=update(target("matchfile")),
        record=target("matchqa"),
    log:
        "../logs/lightcurve/fr{block}/ztf_{field}_{filter}_c{ccd}_q{qid}_match_rc{rcid}.log",
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe lightcurve match {output.matchfile:q} --settings {input.settings:q} --epochs {input.epochs:q} 2> {log:q}"
