# What moves: the known bodies of a night, wherever they are in the sky.


# The site's orbits are `ancient`: newer ones make no table of an earlier night again.
rule moving_known:
    input:
        orbits=site_orbits,
        settings=settings("moving"),
    output:
        **targets("known", "knownqa"),
    log:
        log_of("moving", "known"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe moving known {output.known:q} --settings {input.settings:q} --orbits {input.orbits:q} 2> {log:q}"


# What of the night's differences may move; the tables of the quadrants are found by the plan.
rule moving_detections:
    input:
        plan=target("plan"),
        differences=difference_records,  # only to wait for them
        settings=settings("moving"),
    output:
        **targets("detections", "streaklist", "looks", "detectionsqa"),
    log:
        log_of("moving", "detections"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe moving detections {output.detections:q} --settings {input.settings:q} --plan {input.plan:q} 2> {log:q}"


# Nights before are used as they are, if they are there.
rule moving_tracks:
    input:
        earlier=earlier("detections"),
        looked=earlier("looks"),
        detections=target("detections"),
        looks=target("looks"),
        streaks=target("streaklist"),
        known=target("known"),
        settings=settings("moving"),
    output:
        **targets("tracks", "trackmembers", "trackpage", "tracksqa"),
    log:
        log_of("moving", "tracks"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe moving tracks {output.tracks:q} --settings {input.settings:q}"
        " --detections {input.earlier:q} {input.detections:q} --looks {input.looked:q} {input.looks:q}"
        " --streaks {input.streaks:q} --known {input.known:q} 2> {log:q}"


# What came before a time of the night; the plan, which grows on, makes none again. Nothing else reads these.
rule moving_sofar:
    input:
        earlier=earlier("detections"),
        looked=earlier("looks"),
        plan=ancient(target("plan")),
        known=target("known"),
        settings=settings("moving"),
    output:
        **targets(
            "sofardetections",
            "sofarstreaklist",
            "sofarlooks",
            "sofartracks",
            "sofarmembers",
            "sofarpage",
            "sofarqa",
        ),
    log:
        log_of("moving", "sofartracks"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe moving sofar {output.sofartracks:q} --settings {input.settings:q} --plan {input.plan:q}"
        " --known {input.known:q} --detections {input.earlier:q} --looks {input.looked:q} 2> {log:q}"


rule moving_report:
    input:
        tracks=target("tracks"),
        members=target("trackmembers"),
        streaks=target("streaklist"),
        decisions=if_there("trackdecisions"),
        designations=designations_known,
        settings=settings("moving"),
    output:
        **targets("adespsv", "adesxml", "mpcreport", "digest2", "reportqa"),
    log:
        log_of("moving", "adespsv"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe moving report {output.adespsv:q} --settings {input.settings:q} --tracks {input.tracks:q}"
        " --members {input.members:q} --streaks {input.streaks:q} --decisions {input.decisions:q} 2> {log:q}"
