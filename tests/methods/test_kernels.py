import inspect
import subprocess
import sys

import numba
import pytest
from numba.core.registry import CPUDispatcher

import ztfpipe.methods
from ztfpipe.methods.warm import kernel_modules


def test_every_module_of_kernels_warms_all_its_kernels():
    for module in kernel_modules():
        module.warm()
        # Its own; those with an underscore are compiled into the others.
        members = inspect.getmembers(module, lambda one: isinstance(one, CPUDispatcher))
        kernels = [one for name, one in members if one.__module__ == module.__name__ and not name.startswith("_")]
        assert kernels, module.__name__
        for kernel in kernels:
            assert kernel.signatures, f"{module.__name__}.{kernel.__name__} is not compiled by warm()"


def test_kernels_are_cached_in_the_chosen_folder():
    assert str(ztfpipe.methods.cache_folder()) == numba.config.CACHE_DIR


def test_digest_follows_any_kernel(tmp_path):
    (tmp_path / "deep").mkdir()
    one, two = tmp_path / "one_nb.py", tmp_path / "deep" / "two_nb.py"
    one.write_text("a = 1\n")
    two.write_text("b = 1\n")
    (tmp_path / "other.py").write_text("c = 1\n")
    first = ztfpipe.methods.kernel_digest(tmp_path)
    (tmp_path / "other.py").write_text("c = 2\n")
    assert ztfpipe.methods.kernel_digest(tmp_path) == first
    two.write_text("b = 2\n")
    assert ztfpipe.methods.kernel_digest(tmp_path) != first


@pytest.mark.parametrize("numba_first", [False, True])
def test_cache_folder_is_private_and_set_before_or_after_numba(tmp_path, numba_first):
    code = ("import numba\n" if numba_first else "") + (
        "import ztfpipe.methods, numba, os\nprint(numba.config.CACHE_DIR)\n"
        "print(oct(os.stat(numba.config.CACHE_DIR).st_mode & 0o777))\n"
    )
    environment = {"ZTFPIPE_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    folder, mode = ran.stdout.split()
    assert folder == str(tmp_path / f"kernels-{ztfpipe.methods.kernel_digest()}")
    assert mode == "0o700"


def test_unwritable_cache_falls_back_to_a_private_folder(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("ZTFPIPE_CACHE", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = ztfpipe.methods.cache_folder()
    assert folder.parent.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
