# Calibrator catalogs of a field's quadrant, the science image of a quadrant with its companions, on request its uncertainty
# image, and the same companions of a science image that was downloaded.


rule science_calibrators:
    input:
        settings=settings("science"),
    output:
        **targets(
            "gaiacalibrators",
            "ps1calibrators",
            "gaiacontext",
            "ps1context",
            "brightstars",
            "calibratorsqa",
        ),
    log:
        "../logs/science/rc{rcid}/ztf_{field}_c{ccd}_q{qid}_calibrators.log",
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe science calibrators {output.gaiacalibrators:q} --settings {input.settings:q} 2> {log:q}"


# What is usual is frozen once, from what the nights before have then: they are no inputs, so that no night makes later
# ones again.
rule science_zero_points:
    input:
        settings=settings("science"),
    output:
        zeropoints=target("zeropoints"),
    log:
        log_of("science", "zeropoints"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe science zero_points {output.zeropoints:q} --settings {input.settings:q} 2> {log:q}"


# Waits for the catalogs that are due. Those that are there, all of them on most nights, are no jobs of a night.
checkpoint science_covered:
    input:
        catalogs=catalogs_to_wait_for,  # only to wait for them
        settings=settings("science"),
    output:
        covered=target("covered"),
    log:
        log_of("science", "covered"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe science covered {output.covered:q} --settings {input.settings:q} 2> {log:q}"


rule science_image:
    input:
        raw=raw_used,
        bias=master_used(bias_choice),
        flat=master_used(flat_choice),
        gaia=calibrators_used,
        lofreqflat=template_used("lofreqflat"),
        fringe=template_used("fringe"),
        usual=zero_points_used,
        settings=settings("science"),
    output:
        **targets("sciimg", "sciqa"),
        **companions(
            "mskimg",
            "psfcat",
            "sexcat",
            "sciimgdao",
            "sciimgdaopsfcent",
            "scipreview",
            "sciimlog",
            "log",
        ),
    log:
        log_of("science", "sciimg"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe science image {output.sciimg:q} --settings {input.settings:q} --raw {input.raw:q}"
        " --bias {input.bias:q} --flat {input.flat:q} --gaia {input.gaia:q}"
        " --lofreqflat {input.lofreqflat:q} --fringe {input.fringe:q} --usual {input.usual:q} 2> {log:q}"


rule science_uncertainty:
    input:
        image=target("sciimg"),
        settings=settings("science"),
    output:
        **targets("sciunc", "sciuncqa"),
    log:
        log_of("science", "sciunc"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe science uncertainty {output.sciunc:q} --settings {input.settings:q}"
        " --image {input.image:q} 2> {log:q}"


rule science_measure:
    input:
        sciimg=target("givensciimg"),
        mskimg=if_there("givenmskimg"),
        gaia=if_there("gaiacalibrators"),
        ps1=if_there("ps1calibrators"),
        bright=if_there("brightstars"),
        settings=settings("science"),
    output:
        **targets(
            "measuredsciimg",
            "measuredmskimg",
            "measuredpsfcat",
            "measuredsexcat",
            "measuredsciimgdao",
            "measuredsciimgdaopsfcent",
            "measuredscipreview",
            "measuredsciimlog",
            "measuredsciqa",
        ),
    log:
        log_of("science", "measuredsciimg").replace(".fits.log", "_measured.log"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe science measure {output.measuredsciimg:q} --settings {input.settings:q} --sciimg {input.sciimg:q}"
        " --mskimg {input.mskimg:q} --gaia {input.gaia:q} --ps1 {input.ps1:q} --bright {input.bright:q} 2> {log:q}"
