"""Turns samples into a Markdown table: medians, and ratios to the first peer with their spread.

A ratio is taken within each round, between neighbours in time, and only then summarised.
"""
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .load import Outcome

BEGIN, END = "<!-- results -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Sample:
    cpu_us: float  # of the proxy, per request
    peak_mib: float
    outcome: Outcome


def table(scenario, samples):
    yardstick, against = next(iter(samples.items()))
    lines = [f"### {scenario.title}", "",
             f"| proxy | CPU µs/request (lowest) | × {yardstick} (min–max) | × of the lowest | requests/s | p50 ms | p99 ms "
             "| peak MiB |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for name, rounds in samples.items():
        ratios = [mine.cpu_us / theirs.cpu_us for mine, theirs in zip(rounds, against)]
        lowest, their_lowest = min(s.cpu_us for s in rounds), min(s.cpu_us for s in against)
        lines.append(
            f"| {name} | {median(s.cpu_us for s in rounds):.1f} ({lowest:.1f}) "
            f"| {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) | {lowest / their_lowest:.2f} "
            f"| {median(s.outcome.per_second for s in rounds):.0f} "
            f"| {median(s.outcome.p50_ms for s in rounds):.2f} | {median(s.outcome.p99_ms for s in rounds):.2f} "
            f"| {max(s.peak_mib for s in rounds):.1f} |")
    return "\n".join(lines) + "\n"


def footprint(weights):
    idle, per_connection, start = weights
    return "\n".join([
        "### Memory and start of Doorward", "", "| what | measured | wanted |", "| --- | ---: | ---: |",
        f"| idle, one processor | {idle:.1f} MiB | under 20 MiB |",
        f"| each of 10,000 idle TLS connections that have been answered once | {per_connection:.1f} KiB | under 40 KiB |",
        f"| from exec to the first answer over TLS | {start:.0f} ms | under 100 ms |"]) + "\n"


def processor():
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def write_into(readme: Path, tables, chosen):
    text = readme.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    machine = f"{processor()}, Linux {'.'.join(platform.release().split('.')[:2])}; {chosen.rounds} rounds, effort {chosen.effort:g}.\n"
    readme.write_text("\n".join([head + BEGIN, machine, *tables, END]) + tail)
