"""Judges a bill of materials: python3 tests/parts/bill.py FILE, in the checkout that it is of.

Everything that is linked is listed, nothing is listed that Cargo.lock has not, with its version and checksum; everything has a licence, and
nothing is there that only tests use. `cargo tree` is the second opinion, since the bill is made from `cargo metadata`.
"""

import json
import subprocess
import sys
import tomllib

bill = json.load(open(sys.argv[1]))
listed = {(part["name"], part["version"]): part for part in bill["components"]}
with open("Cargo.lock", "rb") as lock:
    locked = {(package["name"], package["version"]): package.get("checksum") for package in tomllib.load(lock)["package"]}


def tree(kind):
    command = ["cargo", "tree", "--locked", "--edges", kind, "--prefix", "none", "--no-dedupe", "--format", "{p}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = {(line.split()[0], line.split()[1].removeprefix("v")) for line in lines if line.strip()}
    return found - {("doorward", bill["metadata"]["component"]["version"])}


def checksum(part):
    return next((known["content"] for known in part.get("hashes", []) if known["alg"] == "SHA-256"), None)


linked = tree("normal")
only_tests = {("insta", version) for name, version in locked if name == "insta"}
problems = [f"linked, not listed: {part}" for part in sorted(linked - set(listed))]
problems += [f"listed, not in Cargo.lock: {part}" for part in sorted(set(listed) - set(locked))]
problems += [f"another checksum: {key}" for key, part in listed.items() if key in locked and checksum(part) != locked[key]]
problems += [f"no licence: {key}" for key, part in listed.items() if not part.get("licenses")]
problems += [f"only of tests: {key}" for key in sorted(only_tests & set(listed))]
if bill["bomFormat"] != "CycloneDX" or not only_tests or len(linked) < 300:
    problems.append("this is not a bill of this checkout")
print("\n".join(problems) or f"{len(listed)} parts, {len(linked)} of them linked")
sys.exit(bool(problems))
