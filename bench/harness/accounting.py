"""What a proxy cost, as the kernel counted it: processor time and memory of a process and all its children.

Takes nothing from the proxies' own statistics, because each counts differently.
"""
import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid):
    """The process and its descendants (nginx has workers)."""
    members = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            members += family(int(child))
    return members


def cpu_seconds(pid):
    """User and system time of all threads, dead ones too, in seconds (proc(5): fields 14 and 15 of stat)."""
    total = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def status_kib(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def resident_kib(pid):
    return sum(status_kib(member, "VmRSS") for member in family(pid))


def peak_kib(pid):
    """VmHWM since the last `forget_peak`."""
    return sum(status_kib(member, "VmHWM") for member in family(pid))


def forget_peak(pid):
    for member in family(pid):
        Path(f"/proc/{member}/clear_refs").write_text("5")
