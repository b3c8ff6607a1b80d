# Overscan, bias and flat masters, one job per quadrant.


rule calibration_split:
    input:
        raw=raw_used,
        settings=settings("calibration"),
    output:
        **targets("split", "splitqa"),
    log:
        log_of("calibration", "split"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe calibration split {output.split:q} --settings {input.settings:q} --raw {input.raw:q} 2> {log:q}"


rule calibration_bias:
    input:
        frames=master_frames(bias_choice),
        previous=previous_master(bias_choice),
        settings=settings("calibration"),
    output:
        **targets(
            "bias",
            "biasunc",
            "biasstda",
            "biasstdb",
            "biasnum",
            "biascmask",
            "biaslog",
            "biasqa",
        ),
    log:
        log_of("calibration", "bias"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe calibration bias {output.bias:q} --settings {input.settings:q} --frames {input.frames:q}"
        " --previous {input.previous:q} 2> {log:q}"


rule calibration_flat:
    input:
        frames=master_frames(flat_choice),
        bias=bias_used,
        previous=previous_master(flat_choice),
        settings=settings("calibration"),
    output:
        **targets(
            "hifreqflat",
            "hifreqflatunc",
            "hifreqflatstda",
            "hifreqflatstdb",
            "hifreqflatnum",
            "hifreqflatcmask",
            "hifreqflatlog",
            "hifreqflatqa",
        ),
    log:
        log_of("calibration", "hifreqflat"),
    conda:
        ENVIRONMENT
    params:
        note=lambda wildcards: bias_choice(wildcards).note,
    shell:
        "ztfpipe calibration flat {output.hifreqflat:q} --settings {input.settings:q}"
        " --frames {input.frames:q} --bias {input.bias:q}"
        " --previous {input.previous:q} --note {params.note:q} 2> {log:q}"
