# Fringe templates and low-frequency maps of many nights: the frozen list of a version's images, then the version itself.
# A list and a version are made once: what they are made from is `ancient`, and a better version has a later night.


checkpoint templates_fringe_frames:
    input:
        settings=ancient(settings("templates")),
    output:
        frames=target("fringeframes"),
    log:
        log_of("templates", "fringeframes"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe templates fringe_frames {output.frames:q} --settings {input.settings:q} 2> {log:q}"


rule templates_fringe:
    input:
        frames=frozen_list("fringe"),
        images=listed("fringe", "sciimg", "mskimg"),
        settings=ancient(settings("templates")),
    output:
        **targets("fringe", "fringelog", "fringeqa"),
    log:
        log_of("templates", "fringe"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe templates fringe {output.fringe:q} --settings {input.settings:q} --frames {input.frames:q} 2> {log:q}"


checkpoint templates_lofreqflat_frames:
    input:
        settings=ancient(settings("templates")),
    output:
        frames=target("lofreqflatframes"),
    log:
        log_of("templates", "lofreqflatframes"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe templates lofreqflat_frames {output.frames:q} --settings {input.settings:q} 2> {log:q}"


rule templates_lofreqflat:
    input:
        frames=frozen_list("lofreqflat"),
        images=listed("lofreqflat", "psfcat"),
        settings=ancient(settings("templates")),
    output:
        **targets("lofreqflat", "lofreqflatunc", "lofreqflatlog", "lofreqflatqa"),
    log:
        log_of("templates", "lofreqflat"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe templates lofreqflat {output.lofreqflat:q} --settings {input.settings:q}"
        " --frames {input.frames:q} 2> {log:q}"
