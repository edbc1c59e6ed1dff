"""The processor of this machine."""

import platform
from pathlib import Path

CPU_FACTS = Path("/proc/cpuinfo")


def processor_name(facts: Path = CPU_FACTS) -> str:
    """The processor, as its maker calls it."""
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
