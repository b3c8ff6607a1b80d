# The sky that a night has seen, and the night's report, from what the other pipelines left.


# Maps of nights before are used as they are.
rule quality_coverage:
    input:
        epochs=target("epochs"),
        settings=settings("quality"),
    output:
        **targets("skymap", "skyplot", "skyplotgalactic"),
    log:
        log_of("quality", "skymap"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe quality coverage {output.skymap:q} --settings {input.settings:q} --epochs {input.epochs:q} 2> {log:q}"


rule quality_report:
    input:
        manifest=target("manifest"),
        plan=target("plan"),
        masters=masters_made,
        raw=exposure_shown,
        references=target("references"),  # with them the images, with the tracks the differences: the step finds both
        tracks=target("reportqa"),
        sky=[target("skyplot"), target("skyplotgalactic")],
        settings=settings("quality"),
    output:
        report=target("nightreport"),
    log:
        log_of("quality", "nightreport"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe quality report {output.report:q} --settings {input.settings:q} --manifest {input.manifest:q}"
        " --plan {input.plan:q} --references {input.references:q} --masters {input.masters:q} --raw {input.raw:q}"
        " --sky {input.sky:q} 2> {log:q}"
