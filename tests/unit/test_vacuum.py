"""The Prefect server of the local stack forgets old flow runs."""

import os
import subprocess
import sys

from deployments.local_stack.stack import VACUUM

READ = """
from prefect.settings import get_current_settings
vacuum = get_current_settings().server.services.db_vacuum
print(*sorted(vacuum.enabled_vacuum_types), vacuum.retention_period.days)
"""


def test_prefect_reads_what_the_stack_sets(tmp_path):
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), **VACUUM}
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["events", "flow_runs", "orphans", "90"]
