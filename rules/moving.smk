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
