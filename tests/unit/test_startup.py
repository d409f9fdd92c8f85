"""What a job imports and how it starts: nothing that it does not use, in CPU seconds that hardly count."""

import os
import platform
import subprocess
import sys

import pytest

PLOTS, WORKFLOW = {"matplotlib", "PIL"}, {"snakemake", "dvc", "rocrate"}
STATISTICS, SOUND, NETS = {"sklearn", "scipy", "pandas"}, {"torchaudio", "soundfile"}, {"torch", "numpy"}
COMPILER = {"torch._dynamo", "torch._inductor"}
LIMIT = 4.0  # CPU seconds of the imports of one job
UNUSED = {
    "cmivae.cli": PLOTS | WORKFLOW | STATISTICS | SOUND | NETS,
    "cmivae.stages.runner": PLOTS | WORKFLOW | STATISTICS | SOUND | {"torch"},
    "cmivae.stages.tables": PLOTS | WORKFLOW | STATISTICS | SOUND | {"torch"},
    "cmivae.stages.image.train": PLOTS | WORKFLOW | STATISTICS | SOUND | COMPILER,
    "cmivae.stages.image.embed": PLOTS | WORKFLOW | STATISTICS | SOUND | COMPILER,
    "cmivae.stages.image.evaluate": PLOTS | WORKFLOW | SOUND | {"torch"},
    "cmivae.stages.speech.train": PLOTS | WORKFLOW | STATISTICS | COMPILER,
}


def run(code: str) -> str:
    """The output of a fresh Python; what was measured there is its alone."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", UNUSED)
def test_a_job_imports_what_it_uses(module):
    loaded, seconds = run(
        f"import sys, time, {module}\nprint(*sys.modules, sep=',', end=' ')\nprint(time.process_time())"
    ).split()
    assert module in loaded.split(",")
    assert UNUSED[module].intersection(loaded.split(",")) == set()
    assert float(seconds) < LIMIT


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator has the setting")
def test_memory_that_a_step_frees_is_kept():
    faults = run(
        "import resource, torch\n"
        "from cmivae.training.devices import set_up\n"
        "set_up(torch.device('cpu'), 1)\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(12):\n"  # it takes glibc some to find back to the same place
        "    before = faults()\n"
        "    torch.ones(2**24)\n"  # 64 MB, 16,384 pages
        "print(faults() - before)"
    )
    assert int(faults) < 1000
