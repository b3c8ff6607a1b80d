# The night's report, from what the other pipelines left.


rule quality_report:
    input:
        manifest=target("manifest"),
        plan=target("plan"),
        masters=masters_made,
        raw=exposure_shown,
        references=target("references"),
        science=science_records,  # only to wait for these and the next: the step finds them by the plan
        differences=difference_records,
        tracks=target("reportqa"),
        settings=settings("quality"),
    output:
        report=target("nightreport"),
    log:
        log_of("quality", "nightreport"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe quality report {output.report:q} --settings {input.settings:q} --manifest {input.manifest:q}"
        " --plan {input.plan:q} --references {input.references:q} --masters {input.masters:q} --raw {input.raw:q} 2> {log:q}"
