"""A backup while a run trains, the loss of everything, and a restore, as docs/deploying.md says it without Docker."""

from deployments.remote.store_backup import read_index

SCRIPTS = "/src/infra/compose"
BACKUP = "/work/backup"
ENDED = "select id from flow_run where state_type in ('COMPLETED', 'CANCELLED') order by id"


class Rescue:
    """Backup and restore of a control side.

    Args:
        control: The control side.
        workers: The GPU workers.
        story: Its runs.
        steps: Takes the lines.
    """

    def __init__(self, control, workers, story, steps):
        self._control, self._workers, self._story, self._steps = control, workers, story, steps

    def play(self):
        """Back up, lose all, restore, and go on."""
        run, _, run_key = self._story.train("restored", 4)
        with self._steps.step("infra/compose/backup.sh while a run trains") as said:
            ended, models = self._ended(), self._models()
            assert "warning: " not in self._script("backup.sh"), "Prefect was not told"
            assert self._story.training(), "the run ended meanwhile, so that nothing is left to go on"
            said.append(
                f"{len(ended)} flow runs that ended, {len(self._saved())} objects, {len(models)} of them models"
            )
        with self._steps.step("everything is lost: workers killed, server stopped, tables dropped, store emptied"):
            for worker in self._workers:
                worker.lose()
            self._control.stop("control worker")
            self._control.stop("prefect")
            self._control.postgres.ask("drop schema public cascade; create schema public")
            self._control.store.delete(list(self._control.store.list("")))
        self._refuse_others()
        with self._steps.step("infra/compose/restore.sh") as said:
            self._script("restore.sh")
            assert self._ended() == ended, "other flow runs"
            assert sorted(self._control.store.list("")) == self._saved(), "other objects"
            assert self._models() == models, "other models"
            said.append("the same flow runs, objects and models")
        with self._steps.step("the run that was at work goes on after the restore") as said:
            self._control.start_prefect()
            self._control.start_worker()
            for worker in self._workers:
                worker.start()
            said.append(self._story.completed(run, run_key))

    def _refuse_others(self):
        """A store that has something else is not written over, and the database stays."""
        self._control.store.put("models/others/1/card.json", b"{}")
        done = self._run("restore.sh")
        lines = done.stderr.strip().splitlines()
        self._steps.refusal("restore.sh into a store with other objects", lines[-1] if done.returncode else None)
        self._control.store.delete(["models/others/1/card.json"])

    def _script(self, name):
        done = self._run(name)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def _run(self, name):
        variables = {**self._control.client("control"), **self._control.postgres.variables}
        return self._control.machine.run([f"{SCRIPTS}/{name}", BACKUP], **variables)

    def _ended(self):
        return self._control.postgres.ask(ENDED).split()

    def _models(self):
        store = self._control.store
        return {key: store.get(key)[0] for key in store.list("models/")}

    def _saved(self):
        return sorted(line.key for line in read_index(self._control.machine.work / "backup" / "store"))
