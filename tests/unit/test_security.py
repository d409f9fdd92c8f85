"""What SECURITY.md promises of the code: nothing unsafe in it, nothing that asks the network by itself."""

import ast
import configparser
import os
import re
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import tiny
import yaml
from pytest_socket import SocketBlockedError
from test_house import RULES, WORKSPACES, short
from unsafe import unquoted, unsafe

ROOT = tiny.REPOSITORY
CODE = sorted(path for top in ("src", "tests", "benchmarks", "docs", "workflow") for path in (ROOT / top).rglob("*.py"))
ON_PURPOSE = {ROOT / "tests/faults/test_pickles.py"}  # makes hostile files, to see them refused
BAD = (
    "import pickle", "import pickle as p", "from pickle import loads", "from joblib import dump", "import dill",
    "import shelve", "import marshal", "import numpy, cloudpickle",
    "eval('1')", "exec(x)", "f = eval", "compile(x, '', 'exec')", "__import__('os')",
    "import builtins\nbuiltins.exec(x)",
    "import os\nos.system('ls')", "from os import system\nsystem('ls')", "import os as o\no.popen('ls')",
    "import subprocess\nsubprocess.run('ls', shell=True)", "from subprocess import run\nrun('ls', shell=yes)",
    "from subprocess import getoutput\ngetoutput('ls')", "Popen(x, shell=1)",
    "import yaml\nyaml.load(f)", "import yaml\nyaml.load(f, Loader=yaml.Loader)", "import yaml as y\ny.unsafe_load(f)",
    "from yaml import load\nload(f)", "import yaml\nmap(yaml.load, fs)", "import yaml\nyaml.full_load(f)",
    "YAML(typ='unsafe')",
    "import numpy as np\nnp.load(f, allow_pickle=True)", "import numpy as np\nnp.load(f, None, True)",
    "from numpy import load as l\nl(f, allow_pickle=flag)", "import numpy as np\nmap(np.load, fs)", "pd.read_pickle(f)",
    "import torch\ntorch.load(f)", "import torch\ntorch.load(f, weights_only=False)", "from torch import load\nload(f)",
    "import torch as t\nt.load(f)", "import torch\nread = partial(torch.load, weights_only=True)",
    "import torch\ntorch.hub.load(r, m)", "import torch\ntorch.jit.load(f)",
    "tar.extractall(x)", "tar.extractall(x, filter='fully_trusted')", "tar.extract(m, x)", "zipped.extractall(x)",
    "import shutil\nshutil.unpack_archive(a, x)", "import tempfile\ntempfile.mktemp()",
)  # fmt: skip
GOOD = (
    "import torch\ntorch.load(f, map_location=d, weights_only=True)", "model.eval()", "import re\nre.compile(x)",
    "import yaml\nyaml.safe_load(f)", "import yaml\nyaml.load(f, Loader=_SafeLoader)", "import json\njson.load(f)",
    "import numpy as np\nnp.load(f)", "import numpy as np\nnp.load(f, allow_pickle=False)",
    "tar.extractall(x, filter='data')", "tar.extractfile(m)", "import subprocess\nsubprocess.run(['ls'], check=True)",
    "import torch\ntorch.compile(model)", "yaml.SafeLoader", "class P:\n    compile: bool = False",
)  # fmt: skip


@pytest.mark.parametrize("path", CODE, ids=short)
def test_no_code_does_what_is_unsafe(path):
    assert unsafe(ast.parse(path.read_text())) == [] or path in ON_PURPOSE


@pytest.mark.parametrize("text", BAD)
def test_each_ban_bites(text):
    assert unsafe(ast.parse(text))


@pytest.mark.parametrize("text", GOOD)
def test_what_is_safe_may_be_done(text):
    assert unsafe(ast.parse(text)) == []


@pytest.mark.parametrize(
    ("module", "name"), [("cmivae.study.loading", "_SafeLoader"), ("cmivae.audit.dvclock", "_SafeLoader")]
)
def test_our_yaml_loaders_are_safe_ones(module, name):
    loader = getattr(import_module(module), name)
    assert issubclass(loader, yaml.SafeLoader | getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    with pytest.raises(yaml.YAMLError):
        loader("!!python/object/apply:os.getcwd []").get_single_data()


@pytest.mark.parametrize("path", RULES, ids=short)
def test_rules_quote_what_they_put_into_a_shell(path):
    text = path.read_text()
    assert unquoted(text) == []
    assert text.count("shell:") == len(re.findall(r"^ {4}shell:\n {8}", text, flags=re.MULTILINE))  # the form looked at


def test_a_wildcard_without_quotes_is_found():
    rule = 'rule a:\n    shell:\n        "run {wildcards.x} {wildcards.y:q} {threads} {{print}} "\n'
    rule += '        "{params.z} > {log}"\n'
    assert unquoted(rule) == ["wildcards.x", "params.z", "log"]


@pytest.mark.parametrize("name", ["a;b", "a b", "$(id)", "../a", "A", "-rf", "a'b", "a\nb"])
@pytest.mark.parametrize("block", ["datasets.digits", "configs.digits-vanilla"])
def test_names_that_a_shell_could_misread_are_refused(block, name):
    kind, old = block.split(".")
    values = tiny.values()
    values[kind][name] = values[kind].pop(old)
    with pytest.raises(Exception, match="params") as error:
        tiny.params(base=values)
    assert error.typename == "UserError"


# --- nothing is told to anybody --------------------------------------------------------------------------------------

ASK = """
import os, sys
from dvc.analytics import is_enabled
from dvc.config import Config
for folder in sys.argv[1:]:
    os.chdir(folder)
    config = Config.from_cwd(validate=False) if hasattr(Config, "from_cwd") else Config()
    print(is_enabled(), str(config["core"].get("check_update", True)).title())
"""


def asked(*folders: Path, home: Path) -> list[str]:
    """What DVC itself says of analytics and update checks, for a user who has set nothing."""
    unset = ("DVC_NO_ANALYTICS", "DVC_TEST", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CONFIG_DIRS": str(home)}
    command = [sys.executable, "-c", ASK, *map(str, folders)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_dvc_tells_nobody_in_any_workspace(tmp_path):
    bare = tmp_path / "bare"
    (bare / ".dvc/tmp").mkdir(parents=True)
    (bare / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    said = asked(bare, *(ROOT / name for name in WORKSPACES), home=tmp_path)
    assert said == ["True True", *["False False"] * len(WORKSPACES)]


@pytest.mark.parametrize("name", WORKSPACES, ids=["root", *WORKSPACES[1:]])
def test_the_committed_configuration_of_dvc_says_so(name):
    config = configparser.ConfigParser()
    text = (ROOT / name / ".dvc/config").read_text()
    config.read_string(re.sub(r"^\s+", "", text, flags=re.MULTILINE))
    assert (config["core"]["analytics"], config["core"]["check_update"]) == ("false", "false")
    assert not [section for section in config.sections() if section.startswith("'remote")]  # nobody's server


def test_only_the_downloader_can_reach_the_network():
    """No other module of ours imports what opens a connection."""
    network = {"socket", "ssl", "http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "xmlrpc"}
    harmless = {"urllib.parse"}
    found = set()
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {short(path) for name in names if name.partition(".")[0] in network and name not in harmless}
    assert found == {"src/cmivae/data/download.py"}


def test_no_test_may_reach_the_network():
    with pytest.warns(UserWarning, match="socket"), pytest.raises(SocketBlockedError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)


# --- the statement ---------------------------------------------------------------------------------------------------


def test_the_statement_names_tests_that_there_are():
    text = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 8
    for path, test in named:
        assert (ROOT / path).is_file(), path
        assert not test or re.search(rf"^def {test}\(", (ROOT / path).read_text(), flags=re.MULTILINE), (path, test)
