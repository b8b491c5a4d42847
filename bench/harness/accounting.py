"""What a proxy cost, as the kernel counted it: processor time and memory of a process and all its children.

Takes nothing from the proxies' own statistics, because each counts differently.
"""
from pathlib import Path



def family(pid):
    """The process and its descendants (nginx has workers)."""
    members = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            members += family(int(child))
    return members


def processor_time(pid):
    """Nanoseconds that each thread has spent on a processor, in user and kernel mode (schedstat, first field)."""
    return {task.name: int((task / "schedstat").read_text().split()[0])
            for member in family(pid) for task in Path(f"/proc/{member}/task").iterdir()}


def spent_microseconds(before, after):
    """What all threads that still are spent in between."""
    return sum(now - before.get(thread, 0) for thread, now in after.items()) / 1000


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
