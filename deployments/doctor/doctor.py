"""All checks, one after the other."""

from typing import Any

from deployments.doctor import machine, services
from deployments.doctor.check import with_settings_checked
from deployments.doctor.clock import clock
from deployments.doctor.server import server_checks


def doctor() -> dict[str, Any]:
    """Run all checks; ``ok`` is true when none is an error."""
    functions = [machine.python, machine.memory, machine.disk, machine.trainer, services.store]
    checks = [with_settings_checked(function) for function in functions]
    if checks[-1]["status"] == "ok":
        checks.append(services.links())
    checks += server_checks()
    checks.append(clock())
    checks.append(with_settings_checked(services.roboflow))
    return {"ok": all(check["status"] != "error" for check in checks), "checks": checks}
