"""Slurm on this machine alone: one node on loopback with two devices, in a folder of its own, ended by process id."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")  # Debian and Ubuntu
DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIG = """\
ClusterName=cmivae
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 Gres=gpu:2
PartitionName=demo Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# Slurm counts a device only where its file is there; any character device will do, for nothing here opens it.
DEVICES = "AutoDetect=off\nName=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def install() -> None:
    """Debian's packages, unless they are there; no daemon of the system is started by it."""
    if all(shutil.which(name, path=_path()) for name in DAEMONS):
        return
    if shutil.which("apt-get") is None:
        sys.exit(f"test-cluster: {', '.join(DAEMONS)} are missing and there is no apt-get to install {PACKAGES}")
    policy = Path("/usr/sbin/policy-rc.d")
    mine = not policy.exists()
    if mine:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES]
        if subprocess.run(install, env=quiet, stdout=subprocess.DEVNULL, check=False).returncode:
            subprocess.run(["apt-get", "update", "--quiet"], stdout=subprocess.DEVNULL, check=True)
            subprocess.run(install, env=quiet, stdout=subprocess.DEVNULL, check=True)
    finally:
        if mine:
            policy.unlink()


class Cluster:
    """A one-node cluster below ``folder``; a context manager that stops what it started."""

    def __init__(self, folder: Path):
        self.folder, self.pids = folder, []
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}:{_path()}"}

    def __enter__(self) -> "Cluster":
        try:
            self._configure()
            self._start_munge()
            for daemon in ("slurmctld", "slurmd"):
                self._start(daemon, self.folder / f"{daemon}.pid", "-f", self.environment["SLURM_CONF"])
            self._wait("sinfo", "--noheader", "--format=%T", says="idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pid in reversed(self.pids):
            _end(pid)

    def call(self, *command: str) -> str:
        """Output of a command of Slurm; a failure is an error."""
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def jobs(self) -> dict[str, tuple[str, str]]:
        """Id of each job that is not over to its state and comment, which names rule and run."""
        lines = self.call("squeue", "--noheader", "--format=%i|%T|%k").splitlines()
        return {job: (state, comment) for job, state, comment in (line.split("|", 2) for line in lines)}

    def _configure(self) -> None:
        for name in ("state", "spool", "bin", "munge"):
            (self.folder / name).mkdir(parents=True)
        for folder in (self.folder, self.folder / "munge"):
            folder.chmod(0o755)  # munge wants it so
        cpus = max(2, os.cpu_count() or 2)
        text = CONFIG.format(folder=self.folder, host=platform.node(), ports=_free_ports(), cpus=cpus)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(DEVICES)
        # The executor hides SLURM_CONF from the srun inside a job; a cluster has its file where srun looks by itself.
        srun, real = self.folder / "bin/srun", shutil.which("srun", path=_path())
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.environment["SLURM_CONF"]} exec {real} "$@"\n')
        srun.chmod(0o755)

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        (place / "key").write_bytes(os.urandom(128))
        (place / "key").chmod(0o400)
        files = {"key-file": "key", "socket": "socket", "log-file": "log", "seed-file": "seed", "pid-file": "pid"}
        self._start(
            "munged", place / "pid", "--force", *(f"--{option}={place / name}" for option, name in files.items())
        )

    def _start(self, daemon: str, pid: Path, *arguments: str) -> None:
        self.call(daemon, *arguments)
        for _ in range(100):
            if pid.is_file() and (text := pid.read_text().strip()):
                self.pids.append(int(text))
                return
            time.sleep(0.1)
        raise RuntimeError(f"{daemon} did not start; see its log in {self.folder}")

    def _wait(self, *command: str, says: str) -> None:
        for _ in range(300):
            if says in self.call(*command):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{command[0]} never said {says!r}; see {self.folder}/slurmctld.log and slurmd.log")


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _end(pid: int) -> None:
    for number, tries in ((signal.SIGTERM, 100), (signal.SIGKILL, 20)):
        for _ in range(tries):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            number = 0  # from here on only ask whether it is there
            time.sleep(0.1)
