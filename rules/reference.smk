# At the end of a night the fields that have become ready; one version of a reference; and the archive's names for it.


rule reference_check:
    input:
        plan=target("plan"),
        science=science_records,  # only to wait for them: the step finds them by the plan
        settings=settings("reference"),
    output:
        **targets("references", "epochs", "refverdicts"),
    log:
        log_of("reference", "references"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe reference check {output.references:q} --settings {input.settings:q} --plan {input.plan:q} 2> {log:q}"


# Locked: nothing that changes later makes a version again. Its images and catalogs, which the step finds by the frozen
# list, are no inputs of the rule: Snakemake would make it again when one of them is changed or gone.
rule reference_coadd:
    input:
        inputs=frozen_inputs,
        settings=ancient(settings("reference")),
    output:
        **targets(
            "vrefimg",
            "vrefcov",
            "vrefunc",
            "vrefmsk",
            "vrefpsfcat",
            "vrefsexcat",
            "vrefimgdao",
            "vrefimgdaopsfcent",
            "vrefimlog",
            "vreflog",
            "vrefqa",
        ),
    log:
        "../logs/reference/field{field}/v{version}/ztf_{field}_{filter}_c{ccd}_q{qid}_refimg_{field3}.log",
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe reference coadd {output.vrefimg:q} --settings {input.settings:q} --inputs {input.inputs:q} 2> {log:q}"


rule reference_publish:
    input:
        version=version_used,
        settings=ancient(settings("reference")),
    output:
        **targets(
            "refimg",
            "refcov",
            "refunc",
            "refmsk",
            "refpsfcat",
            "refsexcat",
            "refimgdao",
            "refimgdaopsfcent",
            "refimlog",
            "reflog",
            "refqa",
        ),
    log:
        "../logs/reference/field{field}/ztf_{field}_{filter}_c{ccd}_q{qid}_publish_{field3}.log",
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe reference publish {output.refimg:q} --settings {input.settings:q} --version {input.version:q} 2> {log:q}"
