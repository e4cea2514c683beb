"""Faults of an environment are seeded, and exactly these are found, each with its cure."""

import errno
import os
import shutil
import sys
import tempfile
import time
from collections import namedtuple

import pytest
from doctor_seeds import kernel, package, program

from firstlight.data import remote_files
from firstlight.tools.doctor.examination import checks
from firstlight.tools.doctor.finding import Place

pytestmark = pytest.mark.skipif(os.name != "posix", reason="seeds are shell scripts and /proc")


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """An environment in which nothing is found: no variables, no programs, an empty folder."""
    for name in list(os.environ):
        if name.startswith(("FIRSTLIGHT_", "CUDA_", "CUPY_", "SLURM_", "OMPI_", "PMI_", "LC_")):
            monkeypatch.delenv(name)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LANG", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http", "https", "all"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "XDG_DATA_HOME", "JUPYTER_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name in ("bin", "home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return Place(here=tmp_path / "here", runs_dir=tmp_path / "here" / "runs", system=tmp_path)


Seeding = namedtuple("Seeding", "place patch path")  # what a seed may change


def below_a_file(path):
    """Return a folder that nobody can make, not even root."""
    (path / "file").write_text("")
    return path / "file" / "folder"


def shadow(name):
    return lambda s: (s.place.here / name).write_text("")


def fake_folder(name):
    def seed(s):
        (s.place.here / name).mkdir()
        (s.place.here / name / "__init__.py").write_text("")

    return seed


def python_path(s):
    fake_folder("yaml")(s)
    (s.path / "others").mkdir()
    (s.place.here / "yaml").rename(s.path / "others" / "yaml")
    s.patch.setenv("PYTHONPATH", str(s.path / "others"))


def site(*packages, **options):
    def seed(s):
        for name, *more in packages:
            package(s.path / "site", name, *more, **options)
        s.patch.syspath_prepend(s.path / "site")

    return seed


def checkout(s):
    (s.place.here / "pyproject.toml").write_text('[project]\nname = "firstlight"\n')


def stale(points):
    """Seed an editable install whose source has changed since, or is gone."""

    def seed(s):
        source = s.path / "source"
        package(s.path / "site", "firstlight", "0.1.0", origin=source, points="one = a.b")
        s.patch.syspath_prepend(s.path / "site")
        if points is not None:
            source.mkdir()
            text = '[project]\nname = "firstlight"\nversion = "0.1.0"\n'
            text += f"[project.entry-points.firstlight]\n{points}\n"
            (source / "pyproject.toml").write_text(text)

    return seed


def hidden_package(s):
    package(s.path / "outside", "rich", "99.0")
    package(s.path / "prefix" / "lib", "rich", "98.0")
    s.patch.setattr(sys, "prefix", str(s.path / "prefix"))
    s.patch.syspath_prepend(s.path / "prefix" / "lib")
    s.patch.syspath_prepend(s.path / "outside")


def variable(name, value):
    return lambda s: s.patch.setenv(name, str(value(s.path)) if callable(value) else value)


def system(**files):
    """Seed files below /proc and /sys; in names, __ stands for a slash."""

    def seed(s):
        for name, text in files.items():
            path = s.path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return seed


V2 = {"proc__self__cgroup": "0::/job/step\n"}
V1 = {"proc__self__cgroup": "3:cpu,cpuacct:/job\n2:memory:/job\n0::/\n"}
CPU, MEMORY = "sys__fs__cgroup__cpu__job__cpu", "sys__fs__cgroup__memory__job__memory"


def both(*seeds):
    def seed(s):
        for one in seeds:
            one(s)

    return seed


def statvfs(**values):
    def seed(s):
        whole = os.statvfs("/")
        given = {name: getattr(whole, name) for name in dir(whole) if name.startswith("f_")}
        s.patch.setattr(os, "statvfs", lambda _: namedtuple("V", given)(**given | values))

    return seed


def space(free, folder=None):
    """Seed a full disk: of the working folder, or of another one."""

    def seed(s):
        real, full = shutil.disk_usage, folder(s) if folder else s.place.here

        def usage(path):
            found = real(path)
            return found._replace(free=free) if str(path) == str(full) else found

        s.patch.setattr(shutil, "disk_usage", usage)

    return seed


def failing(module, name, code):
    def seed(s):
        def fail(*_):
            raise OSError(code, os.strerror(code))

        s.patch.setattr(f"{module}.{name}", fail)

    return seed


def clock(shift):
    def seed(s):
        real = time.time
        s.patch.setattr(time, "time", lambda: real() + shift)

    return seed


def mounted(kind, options="rw"):
    """Seed a file system on the whole temporary folder."""

    def seed(s):
        folder = s.path / "proc" / "self"
        folder.mkdir(parents=True)
        line = f"25 1 0:1 / {s.path} {options} shared:1 - {kind} source rw\n"
        (folder / "mountinfo").write_text("1 0 8:1 / / rw - ext4 /dev/sda rw\n" + line)
        s.patch.setattr(tempfile, "tempdir", str(s.path))

    return seed


QUOTA = """Disk quotas for user ada (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
      nas:/home  {}   10000   12000            120       0       0
"""


def command(name, says="", code=0):
    return lambda s: program(s.path / "bin", name, says, code)


def slurm(ping, code=0):
    others = [command(name) for name in ("sbatch", "srun", "squeue")]
    return both(command("scontrol", ping, code), *others)


def without(name):
    return lambda s: s.patch.setitem(sys.modules, name, None)


def one_kernel(name, python):
    def seed(s):
        runs = python or program(s.path / "other", "python3") / "python3"
        s.patch.setenv("JUPYTER_PATH", str(kernel(s.path / "jupyter", name, runs)))

    return seed


def data(**files):
    """Seed a folder of data sets with some files of MNIST's family."""

    def seed(s):
        for name, content in files.items():
            folder = s.path / "data" / name
            folder.mkdir(parents=True)
            for file, bytes_ in content.items():
                (folder / file).write_bytes(bytes_)
        s.patch.setenv("FIRSTLIGHT_DATA", str(s.path / "data"))

    return seed


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(remote_files, "cache_folder", lambda: tmp_path / "cache")


CUPY = ("cupy-cuda12x", "14.0")
UP = "Slurmctld(primary) at node is UP"
FAULTS = [  # group, seed, kind, state, words of the fact, words of the cure
    ("installation", shadow("numpy.py"), "module-shadowed", "fault", "numpy.py hides", "rename"),
    ("installation", shadow("random.py"), "module-shadowed", "fault", "Python's", "mv random.py"),
    ("installation", fake_folder("firstlight"), "module-shadowed", "fault", "hides", "rename"),
    ("installation", python_path, "module-shadowed", "fault", "hides the package yaml", "unset"),
    ("installation", checkout, "other-checkout", "warning", "copy of", "pip install -e"),
    ("installation", stale("two = 'a.b'"), "editable-stale", "warning", "entry", "install -e"),
    ("installation", stale(None), "editable-gone", "fault", "any more", "pip install -e"),
    ("packages", site(("pooch", "1.0")), "package-version", "fault", "pooch 1.0", "'pooch>=1.8'"),
    ("packages", site(("firstlight", "0.1.0", "nosuch>=2")), "package-missing", "fault", "nosuch",
     "pip install 'nosuch>=2'"),
    ("packages", site(("odd", "1.0"), ("odd", "2.0")), "package-leftover", "warning", "1.0, 2.0",
     "pip uninstall -y odd"),
    ("packages", hidden_package, "package-shadowed", "warning", "rich 99.0 hides 98.0",
     "unset PYTHONPATH"),
    ("interpreter", variable("FIRSTLIGHT_DTAA", "x"), "variable-unknown", "warning", "DTAA",
     "FIRSTLIGHT_DATA"),
    ("interpreter", variable("VIRTUAL_ENV", lambda p: p), "environment-not-active", "warning",
     "is active", "/bin/activate"),
    ("interpreter", command("pip"), "command-other-python", "warning", "bin/pip", "-m pip"),
    ("interpreter", without("lzma"), "python-incomplete", "fault", "without lzma", "liblzma-dev"),
    ("interpreter", variable("LC_ALL", "xx_XX.UTF-8"), "locale-missing", "warning", "xx_XX",
     "C.UTF-8"),
    ("limits", variable("OMP_NUM_THREADS", "4096"), "threads-above-cores", "warning", "4096",
     "export OMP_NUM_THREADS="),
    ("limits", variable("OMP_NUM_THREADS", "0"), "threads-unreadable", "warning", "=0 is",
     "export OMP_NUM_THREADS="),
    ("limits", variable("OMP_NUM_THREADS", "1,1"), None, None, "", ""),
    ("limits", variable("MKL_NUM_THREADS", "all"), "threads-unreadable", "warning", "all",
     "export MKL_NUM_THREADS="),
    ("limits", system(**V2, sys__fs__cgroup__job__cpu__max=""), None, None, "", ""),
    ("limits", system(**V2, **{"sys__fs__cgroup__job__cpu.max": "50000 100000"}),
     "threads-above-quota", "warning", "0.5 of", "export OMP_NUM_THREADS=1"),
    ("limits", system(**V1, **{f"{CPU}.cfs_quota_us": "50000", f"{CPU}.cfs_period_us": "100000"}),
     "threads-above-quota", "warning", "0.5 of", "export OMP_NUM_THREADS=1"),
    ("limits", system(**V2, **{"sys__fs__cgroup__job__step__memory.max": "500000000"}),
     "memory-little", "warning", "500.0 MB", "--mem"),
    ("limits", system(**V1, **{f"{MEMORY}.limit_in_bytes": "500000000"}), "memory-little",
     "warning", "500.0 MB", "--mem"),
    ("limits", system(proc__meminfo="MemTotal: 8000000 kB\nMemAvailable: 100000 kB\n"),
     "memory-little", "warning", "free are only 102.4 MB", "end other programs"),
    ("limits", statvfs(f_bavail=1, f_frsize=4096), "shared-memory-little", "warning", "/dev/shm",
     "--shm-size"),
    ("gpu", site(CUPY, ("cupy-cuda13x", "14.0")), "cupy-twice", "fault", "cupy-cuda13x 14.0",
     "pip uninstall -y cupy-cuda12x cupy-cuda13x"),
    ("gpu", site(CUPY), "driver-missing", "warning", "no NVIDIA driver", "asks for one"),
    ("gpu", system(proc__driver__nvidia__version="535"), "cupy-missing", "warning", "not installed",
     "pip install 'firstlight[cuda12]'"),
    ("folders", lambda s: s.place.here.rmdir() or s.place.here.write_text(""),
     "runs-not-writable", "fault", "is no folder", "--runs_dir"),
    ("folders", space(1e8), "disk-full", "fault", "100.0 MB are left", "runs gc"),
    ("folders", space(1e9), "disk-full", "warning", "1.0 GB are left", "runs gc"),
    ("folders", statvfs(f_files=10**6, f_favail=3), "names-full", "fault", "3 more", "small files"),
    ("folders", mounted("tmpfs"), "runs-in-memory", "warning", "tmpfs", "--runs_dir"),
    ("folders", mounted("fuse.sshfs"), "file-system-fragile", "warning", "sshfs", "copy results"),
    ("folders", mounted("ext4", "rw,noexec"), "tmp-noexec", "warning", "noexec", "TMPDIR"),
    ("folders", failing("os", "link", errno.EPERM), "no-hard-links", "warning", "no hard links",
     "--runs_dir"),
    ("folders", failing("os", "replace", errno.EDQUOT), "quota-exceeded", "fault", "replaced",
     "delete files"),
    ("folders", failing("fcntl", "lockf", errno.ENOLCK), "no-locks", "warning", "locked", "lockd"),
    ("folders", clock(300), "clock-skew", "fault", "differ by 300 s", "set-ntp"),
    ("folders", clock(-20), "clock-skew", "warning", "differ by", "set-ntp"),
    ("folders", clock(-1e9), "clock-wrong", "fault", "the clock says", "set-ntp"),
    ("folders", variable("TMPDIR", lambda p: p / "none"), "tmpdir-missing", "warning", "none",
     "mkdir -p"),
    ("folders", space(1e7, lambda s: tempfile.gettempdir()), "tmp-full", "fault", "10.0 MB",
     "TMPDIR"),
    ("folders", space(1e7, lambda s: s.path / "home"), "home-full", "fault", "10.0 MB", "du -xh"),
    ("folders", variable("HOME", below_a_file), "home-missing", "warning", "no folder", "HOME"),
    ("folders", command("quota", QUOTA.format("11000*"), 1), "quota-exceeded", "fault",
     "nas:/home: 11,000 of 10,000", "ask for more"),
    ("folders", command("quota", QUOTA.format("9500")), "quota-nearly", "warning", "9,500", "du"),
    ("folders", command("quota", QUOTA.format("10")), None, None, "", ""),
    ("network", variable("https_proxy", "http://ada:secret@127.0.0.1:1"), "proxy-silent",
     "warning", "http://127.0.0.1:1 does not answer", "unset https_proxy"),
    ("network", variable("http_proxy", "http://127.0.0.1:1"), "proxy-http-only", "warning",
     "https_proxy is not", "export https_proxy"),
    ("network", variable("HTTPS_PROXY", "http://:80"), "proxy-unreadable", "warning", "no address",
     "host:port"),
    ("network", variable("REQUESTS_CA_BUNDLE", "/none.pem"), "certificates-missing", "warning",
     "/none.pem", "unset REQUESTS_CA_BUNDLE"),
    ("notebooks", one_kernel("python3", "/bin/none/python3"), "kernel-gone", "fault",
     "does not exist", "kernelspec remove python3"),
    ("notebooks", one_kernel("python3", None), "kernel-other-python", "warning",
     "/other/python3", "ipykernel install"),
    ("notebooks", one_kernel("python3", sys.executable), None, None, "", ""),
    ("notebooks", command("jupyter"), "kernel-missing", "warning", "no kernel", "ipykernel"),
    ("cluster", command("sbatch"), "slurm-incomplete", "warning", "not srun", "module load"),
    ("cluster", slurm("Slurmctld(primary) at node is DOWN"), "slurm-down", "warning", "DOWN",
     "scontrol ping"),
    ("cluster", both(slurm(UP), lambda s: s.patch.setattr(sys, "prefix", "/tmp/env")),
     "environment-local", "fault", "/tmp/env", "in your home"),
    ("data_files", variable("FIRSTLIGHT_DATA", lambda p: p / "none"), "data-folder-missing",
     "fault", "is no folder", "unset FIRSTLIGHT_DATA"),
    ("data_files", data(tinyshakespeare={"input.txt": b"To be"}), "data-damaged", "fault",
     "wrong checksum", "data download tiny_shakespeare"),
    ("data_files", data(mnist={"train-images-idx3-ubyte.gz": b""}), "data-incomplete", "fault",
     "lacks", "data download mnist"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("group", "seed", "kind", "state", "fact", "cure"),
    FAULTS,
    ids=[f"{row[0]}-{row[2] or 'fine'}-{number}" for number, row in enumerate(FAULTS)],
)
def test_a_seeded_fault_is_named_with_its_cure(
    group, seed, kind, state, fact, cure, clean, monkeypatch, tmp_path
):
    before = checks(group, clean)
    seed(Seeding(clean, monkeypatch, tmp_path))
    found = [one for one in checks(group, clean) if one.state != "ok" and one not in before]
    assert [one.kind for one in found] == [kind] * (kind is not None), found
    for one in found:
        assert one.state == state
        assert fact in one.found
        assert cure in one.cure
        assert one.why
        assert "secret" not in str(one)
