"""The rules of docs/architecture.md that a program can check."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ztfpipe.config import Config

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
WORDS = {
    "ingest",
    "calibration",
    "science",
    "templates",
    "reference",
    "difference",
    "alerts",
    "lightcurve",
    "moving",
    "quality",
    "operations",
    "archive",
}
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
# Spelt in pieces, so that this file may hold them.
BANNED = (
    "/wo" + "rk/",
    "TO" + "DO",
    "FIX" + "ME",
    "Clau" + "de",
    "Chat" + "GPT",
    "language mo" + "del",
    "iss" + "ue #",
    "se" + "ed 00",
)


def tracked(*patterns: str) -> list[Path]:
    """Files of the project: those of git where there is one, else all that are no one's cache."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        files = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        files = [
            path for path in ROOT.rglob("*") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
        ]
    return [path for path in files if path.is_file() and any(path.match(pattern) for pattern in patterns)]


def run(*command: str) -> subprocess.CompletedProcess:
    """Run a program of the environment in the project's folder."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(
    "command",
    [
        ("lint-imports", "--no-cache"),
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        ("snakefmt", "--check", "Snakefile", "rules"),
    ],
    ids=" ".join,
)
def test_a_checker_is_content(command):
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_lint_is_content(tmp_path):
    done = run("snakemake", "--lint", "--config", f"workspace={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_word_one_thing():
    for rules in (ROOT / "rules").glob("*.smk"):
        word = rules.stem
        if word == "common":
            continue
        assert word in WORDS
        steps = ROOT / "ztfpipe" / "steps"
        assert (steps / f"{word}.py").exists() or (steps / word / "__init__.py").exists()
        assert (ROOT / "docs" / f"{word}.md").exists()
        assert word in Config.model_fields
        text = rules.read_text()
        names = re.findall(r"^(?:rule|checkpoint) (\w+):", text, flags=re.MULTILINE)
        assert names
        assert all(name.startswith(f"{word}_") for name in names)
        calls = re.findall(r'"ztfpipe (\w+) (\w+) ', text)
        assert [f"{pipeline}_{action}" for pipeline, action in calls] == names
    for recipe in (ROOT / "ztfpipe" / "pipelines").glob("[a-z]*.py"):
        assert recipe.stem in WORDS


def test_every_path_in_a_shell_command_is_quoted():
    for rules in set((ROOT / "rules").glob("*.smk")) - {ROOT / "rules" / "common.smk"}:
        fields = re.findall(r"\{((?:input|output|log|wildcards|params)[^}]*)\}", rules.read_text())
        unquoted = [field for field in fields if not field.endswith(":q")]
        assert not unquoted, f"{rules.name}: {unquoted}"


def test_the_only_python_of_the_workflow_is_in_common():
    """Below rules/common/, which rules/common.smk includes."""
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        if path.name != "common.smk":
            assert not re.search(r"^\s*(def|class|import|from|run:|script:)\b", path.read_text(), flags=re.MULTILINE)


def test_no_default_profile_and_the_link_is_there():
    assert not (ROOT / "profiles" / "default").exists()
    assert (ROOT / "slurm").readlink() == Path("profiles/slurm")


@pytest.mark.parametrize("name", ["slurm", "bulk"])
def test_exactly_one_of_slurm_and_snakemake_starts_a_job_again(name):
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    assert bool(profile.get("slurm-requeue")) != bool(profile.get("retries"))
    for resources in [profile["default-resources"], *profile["set-resources"].values()]:
        assert resources["mem_mb"] >= 500  # the nested Snakemake of a job alone takes 200


def test_every_rule_says_what_it_needs_of_a_cluster():
    texts = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    rules = {name for text in texts for name in re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)}
    asked = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())["set-resources"]
    assert rules == set(asked)
    assert all(set(one) == {"slurm_partition", "mem_mb", "runtime"} for one in asked.values())


def test_conda_environment_is_the_lock_file():
    spec = importlib.util.spec_from_file_location("conda_env", ROOT / "tools" / "conda_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in module.ENVIRONMENTS:
        assert (ROOT / "envs" / f"{name}.yaml").read_text() == module.conda_env(name)


def test_no_file_is_long():
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked("*.py", "*.smk", "*.sh", "Snakefile", "Makefile")
        if (count := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }
    assert not long


def test_no_function_is_long():
    long = []
    for path in tracked("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not long


def test_no_banned_phrase():
    found = [
        f"{path.relative_to(ROOT)}: {phrase}"
        for path in tracked("*.py", "*.smk", "*.md", "*.yaml", "*.toml", "*.sh", "*.csv", "Snakefile", "Makefile")
        for phrase in BANNED
        if phrase in path.read_text()
    ]
    assert not found


def test_no_instrument_literal_outside_the_camera():
    # The size of a quadrant and of a CCD: the numbers one would be tempted to write.
    literal = re.compile(r"\b(3072|3080|6144|6160)\b")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "ztfpipe").rglob("*.py")
        for match in literal.finditer(path.read_text())
    ]
    assert not found
