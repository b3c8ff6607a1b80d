# The night as a graph of files: what there is, in the order of the pipeline. docs/workflow.md says how to run it.
#
#     snakemake --profile profiles/local night --config night=20180325
#     snakemake --profile slurm cal/2018/0325/bias/00/ccd10/q1/ztf_20180325_00_c10_q1_bias.fits


include: "rules/common.smk"


workdir: ARCHIVE


wildcard_constraints:
    **PART_PATTERNS,


# A second's work each, on which the rest of the night waits: not worth a place in a cluster's queue.
localrules:
    science_covered,
    ingest_arrived,
    ingest_manifest,
    ingest_plan,


# Named targets, narrowed by --config night= field= filter= ccd= quadrant=
rule night:
    input:
        manifest_of_night,
        plan_of_night,
        raws_of_night,
        biases_of_night,
        flats_of_night,
        report_of_night,  # waits for all science images and differences


rule manifest:
    input:
        manifest_of_night,


rule plan:
    input:
        plan_of_night,


rule raws:
    input:
        raws_of_night,


rule biases:
    input:
        biases_of_night,


rule flats:
    input:
        flats_of_night,


rule splits:
    input:
        splits_of_night,


rule sciimgs:
    input:
        sciimgs_of_night,


# Quadrants whose field had a usable reference when the night was planned.
rule diffimgs:
    input:
        diffimgs_of_night,


# Sources of known flux planted into a part of those: the night's efficiency against magnitude.
rule planted:
    input:
        planted_of_night,


# Tracks of moving objects with the reports on them.
rule tracks:
    input:
        tracks_of_night,


# Those of exposures before a time of the night, --config cutoff=HHMM, provisionally.
rule tracks_sofar:
    input:
        tracks_sofar_of_night,


# Packets of the night's differences, and each program's in one archive.
rule alerts:
    input:
        alerts_of_night,


rule lofreqflats:
    input:
        lofreqflats_of_night,


rule fringes:
    input:
        fringes_of_night,


rule measured:
    input:
        measured_of_night,


# Those that the night's list says have become ready; `night` makes the list.
rule references:
    input:
        references_of_night,


# Of the fields that the night observed, once their epochs are listed.
rule matchfiles:
    input:
        matchfiles_of_night,


include: "rules/ingest.smk"
include: "rules/calibration.smk"
include: "rules/science.smk"
include: "rules/templates.smk"
include: "rules/reference.smk"
include: "rules/difference.smk"
include: "rules/lightcurve.smk"
include: "rules/moving.smk"
include: "rules/alerts.smk"
include: "rules/quality.smk"


# No module of another workflow gives our paths a prefix: without the modifier each input is kept once and not twice.
for _rule in workflow.rules:
    _rule.input_modifier = None


onstart:
    lock_nights(workflow)
    gc.freeze()
    gc.set_threshold(*USUAL_GC)


onsuccess:
    jobs_have_ended(workflow, well=True)


onerror:
    jobs_have_ended(workflow, well=False)
