# The difference of a quadrant and the reference that the night's plan pins for it.


rule difference_image:
    input:
        image=target("sciimg"),
        mask=target("mskimg"),
        psfcat=target("psfcat"),
        refimg=pinned("vrefimg"),
        refmsk=pinned("vrefmsk"),
        refunc=pinned("vrefunc"),
        refpsfcat=pinned("vrefpsfcat"),
        ps1=catalog_of("ps1context"),
        gaia=catalog_of("gaiacontext"),
        settings=settings("difference"),
    output:
        **targets(
            "scimrefdiffimg",
            "diffimgpsf",
            "candidates",
            "rawdetections",
            "streaks",
            "diffpreview",
            "diffimlog",
            "diffqa",
            *on_request("scorrimg", CONFIG.difference.scorr_image),
        ),
    log:
        log_of("difference", "scimrefdiffimg"),
    conda:
        ENVIRONMENT
    shell:
        "ztfpipe difference image {output.scimrefdiffimg:q} --settings {input.settings:q}"
        " --image {input.image:q} --mask {input.mask:q} --psfcat {input.psfcat:q}"
        " --refimg {input.refimg:q} --refmsk {input.refmsk:q} --refunc {input.refunc:q}"
        " --refpsfcat {input.refpsfcat:q} --ps1 {input.ps1:q} --gaia {input.gaia:q} 2> {log:q}"
