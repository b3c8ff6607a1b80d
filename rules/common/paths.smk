# One spelling of each path, relative to the archive.


def target(product):
    """Pattern of a product's path."""
    return PRODUCTS[product].pattern


def targets(*products):
    """Patterns of several products by their names, for a rule that declares them all."""
    return {product: target(product) for product in products}


def on_request(product, asked):
    """The product in a list, which is empty when it was not asked for: a rule then does not declare it."""
    return [product] if asked else []


def companions(*products):
    """Patterns of what a job makes besides, declared when one of them is asked for by its path.

    Each declared file of each job costs memory; the step writes them all whether they are declared or not.
    """
    return targets(*products) if PRODUCTS_ASKED & set(products) else {}


def settings(section):
    """The settings file that governs a rule."""
    return f"../settings/{section}.json"


def log_of(pipeline, product):
    """Where a job's own words go: logs/PIPELINE/YYYY/MMDD/, under the name of its product."""
    return f"../logs/{pipeline}/{{year}}/{{monthday}}/{Path(target(product)).name}.log"


def night_of(wildcards):
    return wildcards.year + wildcards.monthday


def incoming(night):
    return Path(WORKSPACE, "incoming", night)


def given(path):
    """Spelling of an earlier night's product that is used as it is: no rule's output matches it, so none re-makes it."""
    return f"../archive/{path}"
