# The Python of the workflow, in the order it is needed: nothing here computes, all of it says what there is to do.


include: "common/settings.smk"
include: "common/paths.smk"
include: "common/plan.smk"
include: "common/inputs.smk"
include: "common/templates.smk"
include: "common/references.smk"
include: "common/difference.smk"
include: "common/lightcurve.smk"
include: "common/moving.smk"
include: "common/alerts.smk"
include: "common/targets.smk"
include: "common/locks.smk"


if workflow.is_main_process:
    try:
        check_targets()
        for section in RECIPE_VERSIONS:
            write_settings(WORKSPACE / "settings", section, CONFIG)
    except ZtfpipeError as error:
        raise said(error) from None
else:
    refuse_orphans()
