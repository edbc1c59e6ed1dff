"""docs/deploying.md, "Without Docker", and an upgrade: their lines on a machine that systemd starts, with nasflow."""

import json
import re
import sys

from tests.fakes.waiting import wait_for
from tests.rehearsal.container import Container
from tests.rehearsal.install import SOURCES
from tests.rehearsal.root import REPOSITORY
from tests.rehearsal.steps import Steps, part_parser

HOST = "nasflow.example.org"
MUST = ("store", "links", "server", "version", "leases", "automations", "clock")
"""Checks of doctor."""
API = f"https://{HOST}/api/admin/version"
AUTHORITY = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
DONE_BEFORE = ("infra/images/install.sh ", "apt-get install ")
"""Lines that need the network of this machine. `tests.rehearsal.install` has run them in this root."""
ASKING = f"""set -a; . /etc/nasflow/people.env
export SSL_CERT_FILE={AUTHORITY} NASFLOW_STORE_CA_BUNDLE={AUTHORITY}
"""
# A variable of Prefect, and an object of the store.
AS_CONTROL = "set -a; . /etc/nasflow/control.env; cd /run\n"
IN_STORE = "/opt/nasflow/bin/python -c 'from tasks.storage.s3 import Store; store = Store.from_environment(); {}'\n"
KEEP = (
    AS_CONTROL
    + IN_STORE.format('store.put("datasets/marker", b"kept")')
    + "/opt/nasflow/bin/prefect variable set marker kept"
)
LOSE = (
    AS_CONTROL
    + IN_STORE.format('store.delete(["datasets/marker"])')
    + "/opt/nasflow/bin/prefect --no-prompt variable unset marker"
)
FIND = (
    AS_CONTROL
    + IN_STORE.format('print(store.get("datasets/marker")[0].decode())')
    + "/opt/nasflow/bin/prefect variable get marker"
)
NEWER = 'store.put("datasets/marker", b"newer")'
FOUND = ["kept", '"kept"']


def main():
    """Run the lines."""
    given = part_parser(__doc__).parse_args()
    steps = Steps(given.folder / "steps.jsonl")
    set_up, back_up, restore, upgrade = blocks()
    with Container(given.roots / f"debian-{given.number}-control", given.folder, HOST) as machine:
        with steps.step("docs/deploying.md: a control plane without Docker") as said:
            machine.run(set_up, SOURCES)
            said.append(f"{len(set_up.splitlines())} lines")
        with steps.step("it answers through Caddy") as said:
            said.append(doctor(machine))
        status = machine.run(
            f"curl --silent --output /dev/null --write-out '%{{http_code}}' --cacert {AUTHORITY} {API}"
        )
        steps.refusal("its API without a password", f"HTTP {status}" if status == "401" else None)
        with steps.step("its UI") as said:
            page = machine.run(f"curl --silent --fail --cacert {AUTHORITY} https://{HOST}/")
            assert "<html" in page.lower(), page[:500]
            said.append(f"{len(page)} bytes")
        with steps.step("docs/operating.md: the lines of an upgrade, to the same nasflow") as said:
            machine.run(upgrade, SOURCES)
            said.append(doctor(machine))
        with steps.step("docs/deploying.md: backup and restore without Docker") as said:
            machine.run(KEEP)
            assert words_found(machine) == FOUND
            machine.run(back_up, SOURCES)
            assert " UTC, 0 hours ago" in checks(machine)["backup"]["message"]
            machine.run(LOSE)
            assert "kept" not in " ".join(words_found(machine))
            steps.refusal("restore.sh while Prefect runs", refused_restore(machine, restore))
            said.append(machine.run(restore, SOURCES).strip().splitlines()[-1])
            wait_for(lambda: words_found(machine) == FOUND, "what was lost", seconds=120)
        with steps.step("restore.sh --database") as said:
            machine.run(LOSE + f"\n{IN_STORE.format(NEWER)}")
            machine.run(restore.replace("restore.sh ", "restore.sh --database "), SOURCES)
            wait_for(lambda: words_found(machine) == ["newer", '"kept"'], "what was lost", seconds=120)
            said.append("the variable is there again, and the store is as it was")
        with steps.step("after the restore, and when all services were started again") as said:
            machine.run("systemctl restart nasflow-store nasflow-prefect nasflow-control caddy")
            said.append(doctor(machine))


def blocks():
    """The blocks of the pages: set up, back up, restore, upgrade."""
    text = (REPOSITORY / "docs" / "deploying.md").read_text()
    operating = (REPOSITORY / "docs" / "operating.md").read_text()
    first = text.partition("\n## Without Docker\n")[2]
    both = text.partition("\nWithout Docker, both run")[2]
    found = [
        *re.findall(r"```sh\n(.*?)```", first, re.DOTALL)[:1],
        *re.findall(r"```sh\n(.*?)```", both, re.DOTALL)[:2],
        *re.findall(r"```sh\n(systemctl stop nasflow-control .*?)```", operating, re.DOTALL),
    ]
    return [
        "".join(
            f"{line}\n"
            for line in block.replace("HOST\n", f"{HOST}\n").splitlines()
            if not line.startswith(DONE_BEFORE)
        )
        for block in found
    ]


def words_found(machine):
    """What FIND tells, all words."""
    return machine.run(f"{{ {FIND}\n}} || true").split()


def refused_restore(machine, restore):
    """The line that says why, when nothing was stopped before; None if it was not refused."""
    alone = re.sub(r"^systemctl .*\n", "", restore, flags=re.MULTILINE)
    last = machine.run(f"{{ {alone} }} 2>&1 || true", SOURCES).strip().splitlines()[-1]
    return last if last.startswith("error: other programs have ") else None


def doctor(machine):
    """What doctor finds once the worker is there, as people ask it from elsewhere."""
    found = {}

    def is_well():
        found.update(checks(machine))
        return all(name in found and found[name]["status"] == "ok" for name in MUST) and (
            # That there is no worker for training is said, too.
            "default" not in found["workers"]["message"]
        )

    try:
        wait_for(is_well, "all that doctor looks for", seconds=180, pause=5)
    except TimeoutError as error:
        raise AssertionError(f"{error}: {found}") from None
    return f"doctor: {', '.join(MUST)} ok, and a worker in the pool default"


def checks(machine):
    """The checks of doctor, by name."""
    written = machine.run(f"{ASKING}/opt/nasflow/bin/nasflow doctor --json || true")
    return {check["name"]: check for check in json.loads(written)["checks"]}


if __name__ == "__main__":
    sys.exit(main())
