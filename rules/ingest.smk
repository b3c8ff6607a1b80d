# From files sent to accepted raw files, the night's accounts, and the plan that the rest of the graph is drawn from.


# The archive's copy is no declared output: whether a file is accepted, only its verdict knows.
rule ingest_verify:
    input:
        sent="../incoming/{year}{monthday}/{name}",
        settings=settings("ingest"),
    output:
        record=target("ingestrecord"),
    log:
        log_of("ingest", "ingestrecord"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe ingest verify {output.record:q} --settings {input.settings:q} --incoming {input.sent:q} 2> {log:q}"


# For a file that the archive has lost: the verdict archives what comes, and again what changes. Hence `ancient`.
rule ingest_archive:
    input:
        sent=lambda wildcards: ancient(sent_file(wildcards)),
        record=lambda wildcards: ancient(sent_record(wildcards)),
        settings=settings("ingest"),
    output:
        raw=target("raw"),
    log:
        log_of("ingest", "raw"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe ingest archive {output.raw:q} --settings {input.settings:q}"
        " --incoming {input.sent:q} --record {input.record:q} 2> {log:q}"


# Waits for the verdicts that are due, and for no others: thousands that are there would be a job each in every graph. A
# checkpoint, after which the accounts find the same input whether anything was due or not.
checkpoint ingest_arrived:
    input:
        folder="../incoming/{year}{monthday}",
        records=records_due,
        sent=sent_list,
        settings=settings("ingest"),
    output:
        arrived=target("arrived"),
    log:
        log_of("ingest", "arrived"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe ingest arrived {output.arrived:q} --settings {input.settings:q} 2> {log:q}"


rule ingest_manifest:
    input:
        arrived=all_verified,
        sent=sent_list,
        settings=settings("ingest"),
    output:
        manifest=target("manifest"),
    log:
        log_of("ingest", "manifest"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe ingest manifest {output.manifest:q} --settings {input.settings:q} 2> {log:q}"


checkpoint ingest_plan:
    input:
        manifest=target("manifest"),
        ingest=settings("ingest"),
        settings=settings("calibration"),
    output:
        # Kept while it is made again: it remembers which versions of templates the night uses.
        plan=update(target("plan")),
    log:
        log_of("ingest", "plan"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe ingest plan {output.plan:q} --settings {input.settings:q} --manifest {input.manifest:q} 2> {log:q}"
