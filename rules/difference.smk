# The difference of a quadrant and the reference that the night's plan pins for it. The night's table of known bodies is
# `ancient`: what a candidate may have been is said once, by the orbits of its night.


rule difference_image:
    input:
        image=target("sciimg"),
        refimg=pinned("vrefimg"),
        bodies=bodies_known,
        settings=settings("difference"),
    output:
        **targets("scimrefdiffimg", "diffqa"),
        **companions(
            "candidates",
            "diffimgpsf",
            "rawdetections",
            "streaks",
            "diffpreview",
            "diffimlog",
            *on_request("scorrimg", CONFIG.difference.scorr_image),
        ),
    log:
        log_of("difference", "scimrefdiffimg"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe difference image {output.scimrefdiffimg:q} --settings {input.settings:q}"
        " --image {input.image:q} --refimg {input.refimg:q}"
        " --bodies {input.bodies:q} 2> {log:q}"


# Asked for by name, or by the target `planted` for a part of the night.
rule difference_planted:
    input:
        image=target("sciimg"),
        refimg=pinned("vrefimg"),
        diffqa=target("diffqa"),
        settings=settings("difference"),
        planting=settings("planted"),
    output:
        **targets("planted", "plantedqa"),
    log:
        log_of("difference", "planted"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe difference planted {output.planted:q} --settings {input.settings:q} --planting {input.planting:q}"
        " --image {input.image:q} --refimg {input.refimg:q}"
        " --diffqa {input.diffqa:q} 2> {log:q}"


rule difference_efficiency:
    input:
        tables=planted_tables,
        settings=settings("planted"),
    output:
        **targets("efficiency", "efficiencyplot"),
    log:
        log_of("difference", "efficiency"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe difference efficiency {output.efficiency:q} --settings {input.settings:q}"
        " --tables {input.tables:q} 2> {log:q}"
