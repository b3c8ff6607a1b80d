# Names by the night's one writer; packets, one job for each exposure; a program's packets in one archive.


checkpoint alerts_names:
    input:
        plan=target("plan"),
        differences=differences_to_name,  # only to wait for them: the step finds them by the plan
        settings=settings("alerts"),
    output:
        names=target("objectnames"),
    log:
        log_of("alerts", "objectnames"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe alerts names {output.names:q} --settings {input.settings:q} --plan {input.plan:q} 2> {log:q}"


# The archives of its quadrants, whose number only the plan knows, are no declared outputs: the record is. While a night
# arrives its plan and its names grow with every exposure, which changes nothing for those before.
rule alerts_exposure:
    input:
        plan=ancient(target("plan")),
        names=names_for_packets,
        differences=differences_of_exposure,
        settings=settings("alerts"),
    output:
        record=target("alertsqa"),
    log:
        log_of("alerts", "alertsqa"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe alerts exposure {output.record:q} --settings {input.settings:q} --plan {input.plan:q}"
        " --names {input.names:q} 2> {log:q}"


# One archive asked for by its path.
rule alerts_quadrant:
    input:
        names=names_of_night,
        settings=settings("alerts"),
    output:
        alerts=target("alerts"),
    log:
        log_of("alerts", "alerts"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe alerts quadrant {output.alerts:q} --settings {input.settings:q} --names {input.names:q} 2> {log:q}"


rule alerts_night:
    input:
        plan=target("plan"),
        records=alert_records,
        settings=settings("alerts"),
    output:
        packets=target("nightalerts"),
    log:
        log_of("alerts", "nightalerts"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe alerts night {output.packets:q} --settings {input.settings:q} --plan {input.plan:q} 2> {log:q}"
