"""One cycle: new data, drift, training, gate, approval, promotion, lists, messages.

Each step is one that a command of its own has, and its outcome is a tag of the cycle's run before the next one begins.
So a cycle that was killed goes on at the next call, with the step that it was at. A step that is done again changes
nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from mlflow import MlflowClient

from contract import cycle_tags
from contract.names import CHAMPION, DRIFT, MODEL
from training import gate
from training.capacity import most_customers
from training.cycle import approval, record
from training.cycle.channels import Channel
from training.cycle.decision import Decision, Schedule, broken_rules, decision
from training.cycle.delivery import deliver
from training.cycle.events import PROMOTED, RETRAINED, STOPPED, WAITING
from training.cycle.export import Export, export_changes
from training.cycle.record import Cycle
from training.drift import Thresholds
from training.endpoint import EarlyServer, Endpoint
from training.errors import InputError, Rejected
from training.inputs import given_sources
from training.people.remembered import leaving_out
from training.progress import SweepProgress
from training.reading.sources import in_words
from training.resume import resumption
from training.rule import Rule, Tolerance
from training.shop import Reading, Shop, check_usable, count_customers
from training.store import history, registry
from training.store.lease import Lease, leased
from training.train import Assignment, Settings, train_challenger

LEASE = f"{MODEL}-cycle"
COMMAND = "segments cycle"  # as the history names it
EXIT_DONE, EXIT_STOPPED, EXIT_WAITING, EXIT_BUSY = 0, 1, 3, 4


@dataclass(frozen=True)
class Order:
    """What a cycle is asked to do, with which data and settings, and to whom it tells what happens.

    sources: as the user gave them; `demo` says whether they are the demo shop, which is known once they are looked for.
    """

    sources: Sequence[str]
    reading: Reading
    settings: Settings
    tolerance: Tolerance = field(default_factory=Tolerance)
    thresholds: Thresholds = field(default_factory=Thresholds)
    schedule: Schedule = field(default_factory=Schedule)
    by_hand: bool = False
    export: Export | None = None
    channels: Sequence[Channel] = ()
    demo: bool = False


@dataclass(frozen=True)
class Said:
    """What a command prints on the way: a sentence, a shop, a verdict."""

    sentence: Callable[[str], None]
    shop: Callable[[Shop], None]
    verdict: Callable[[gate.Verdict], None]


@dataclass(frozen=True)
class Result:
    """What a cycle came to. `new`: whether these data were handled now, and not at an earlier call."""

    outcome: str
    reason: str
    version: int | None
    cycle: str
    new: bool
    waiting: Sequence[int]
    champion: int | None

    @property
    def exit_code(self) -> int:
        if self.outcome == cycle_tags.STOPPED:
            return EXIT_STOPPED
        return EXIT_WAITING if self.waiting else EXIT_DONE

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return asdict(self) | {"exit_code": self.exit_code}


def run_cycle(client: MlflowClient, order: Order, said: Said) -> Result:
    """Do what is to do about the data that the sources hold now. Raises Busy while another cycle is at work."""
    with leased(client, LEASE) as lease:
        order = replace(order, reading=leaving_out(client, order.reading))
        work = _Work(client, order, said, lease)
        work.deliver()
        work.settle_waiting()
        cycle, new = work.handle_data()
        work.deliver()
        cycle = cycle.read_again()
        return Result(
            cycle.outcome,
            cycle.tags.get(cycle_tags.REASON, ""),
            cycle.version,
            cycle.run_id,
            new,
            approval.waiting_versions(client),
            registry.version_of(client, CHAMPION),
        )


@dataclass(frozen=True)
class _Work:
    """The steps of one call, with what they all need."""

    client: MlflowClient
    order: Order
    said: Said
    lease: Lease

    def deliver(self) -> None:
        """Send what is recorded and has not arrived yet."""
        deliver(self.client, self.order.channels)

    def settle_waiting(self, but: str = "") -> None:
        """Do what a person decided about the versions that waited for it, but for the one of the run `but`."""
        for cycle in record.open_cycles(self.client):
            if cycle.outcome == cycle_tags.WAITS and cycle.version is not None and cycle.run_id != but:
                self._settle(cycle, cycle.version)

    def _settle(self, cycle: Cycle, version: int) -> None:
        decided = approval.approval_of(self.client, version)
        if decided is None:
            self._stop(cycle, f"Version {version} was deleted while it waited for approval.")
        elif self._was_champion(version):
            approval.approved_elsewhere(self.client, version)
            self._finish(cycle, f"version {version} was promoted by hand")
        elif decided.state == approval.APPROVED:
            self._judge_again(cycle, version, decided)
        elif decided.state == approval.REJECTED:
            told = cycle.told(STOPPED, f"version {version} was {decided}", self.order.channels)
            told.ended(cycle_tags.REJECTED, f"version {version} was {decided}")
            self.said.sentence(f"Version {version} was {decided}.")
        elif decided.state == approval.SUPERSEDED:
            cycle.ended(cycle_tags.SUPERSEDED, decided.reason)
        else:
            self.said.sentence(f"Version {version} waits for approval: segments approve {version}")

    def _judge_again(self, cycle: Cycle, version: int, decided: approval.Approval) -> None:
        """Promote an approved version by the gate's verdict, or by a new one where the champion is another now."""
        verdict = gate.read_verdict(self.client, version)
        if (
            verdict is None
            or not verdict.passes
            or verdict.champion != registry.version_of(self.client, CHAMPION)
        ):
            verdict = self._judged(version, None)
        if verdict.passes:
            self._promote(cycle, version, verdict, str(decided), str(decided))
        else:
            self._stop(
                cycle,
                _of_rules(f"Version {version} was approved, but does not pass the gate.", verdict.failed),
            )

    def handle_data(self) -> tuple[Cycle, bool]:
        """Read the data, and go on with them from where an earlier call came to; whether there was anything to do."""
        try:
            sources, demo = given_sources(self.order.sources)
            order = replace(self.order, sources=sources, demo=demo)
            shop = count_customers(
                order.sources, order.reading, most_customers(order.reading.engine), order.settings.seed
            )
            check_usable(shop.customers, order.settings.features)
        except InputError as error:
            return self._unreadable(str(error))
        self.said.shop(shop)
        return replace(self, order=order)._handle(shop)

    def _handle(self, shop: Shop) -> tuple[Cycle, bool]:
        """Go on with a shop that was read, if it is not handled yet."""
        order = self.order
        for cycle in record.unreadable(self.client):
            cycle.with_tags(**{cycle_tags.UNREADABLE: "no"})
        old = record.cycle_of(self.client, shop.digest)
        if old and old.outcome not in ("", cycle_tags.INTERRUPTED):
            self.said.sentence(f"Nothing new: these data were handled before. {old.summary}")
            return old, False
        self._close_interrupted(shop.digest)
        champion = registry.version_of(self.client, CHAMPION)
        if old is None:
            tags = {cycle_tags.AS_OF: shop.as_of.isoformat(), "sources": in_words(order.sources)}
            old = record.begun(self.client, shop.digest, champion, **tags)
        cycle = self._go_on(old, Assignment(shop, order.reading, order.settings, order.demo))
        return cycle, True

    def _unreadable(self, message: str) -> tuple[Cycle, bool]:
        """Tell that the data cannot be read, once for as long as the message stays the same."""
        digest = f"unreadable-{hashlib.sha256(message.encode()).hexdigest()[:20]}"
        for cycle in record.unreadable(self.client):
            if cycle.digest == digest and cycle.outcome:
                self.said.sentence(f"Still stopped: {message}")
                return cycle, False
            if cycle.digest == digest:
                return self._stop(cycle, message), True
        champion = registry.version_of(self.client, CHAMPION)
        cycle = record.begun(self.client, digest, champion, **{cycle_tags.UNREADABLE: "yes"})
        return self._stop(cycle, message), True

    def _close_interrupted(self, digest: str) -> None:
        """End the cycles that were killed, and whose data are not there any more."""
        for cycle in record.open_cycles(self.client):
            if cycle.outcome == cycle_tags.WAITS or cycle.digest == digest:
                continue
            if cycle.version is not None and self._was_champion(cycle.version):
                self._finish(cycle, f"version {cycle.version} was promoted")
            elif cycle.digest.startswith("unreadable-"):
                self._stop(cycle, cycle.tags.get(cycle_tags.REASON, "The data could not be read."))
            else:
                reason = "The cycle was interrupted, and other data came before it could go on."
                cycle.told(STOPPED, reason, self.order.channels).ended(cycle_tags.INTERRUPTED, reason)

    def _go_on(self, cycle: Cycle, given: Assignment) -> Cycle:
        if cycle.version is not None:
            return self._after_training(cycle, cycle.version, None)
        if record.WHY not in cycle.tags:
            if broken := broken_rules(self.client, given, self.order.tolerance):
                advice = 'If this is right: segments train, and then segments promote --force "REASON".'
                return self._stop(
                    cycle, _of_rules("The data are not like the champion's.", broken) + f" {advice}"
                )
            decided = self._decided(cycle, given)
            if not decided.train:
                return self._keep(cycle, decided.why)
            cycle = cycle.with_tags(**{record.WHY: decided.why})
        self.said.sentence(f"Training: {cycle.tags[record.WHY]}.")
        return self._train(cycle, given)

    def _decided(self, cycle: Cycle, given: Assignment) -> Decision:
        order = self.order
        decided = decision(self.client, given, order.sources, order.schedule, order.thresholds)
        if decided.report:
            self.client.log_dict(cycle.run_id, asdict(decided.report), DRIFT)
        return decided

    def _keep(self, cycle: Cycle, why: str) -> Cycle:
        self.said.sentence(f"The champion stays: {why}.")
        return cycle.ended(cycle_tags.KEPT, why)

    def _train(self, cycle: Cycle, given: Assignment) -> Cycle:
        """Train, or go on with a training that was interrupted, and then with what follows."""
        trials = given.settings.trials
        self.lease.check()
        with EarlyServer() as server:
            try:
                known = resumption(self.client, given.fingerprint, trials)
                version = known.version
                if version is None:
                    with SweepProgress(trials) as progress:
                        source = in_words(self.order.sources)
                        outcome = train_challenger(
                            given, source, known.run_id, progress.show, "", server.start
                        )
                    version = outcome.version
            except Rejected as error:
                return self._stop(cycle, str(error))
            cycle = cycle.with_tags(**{cycle_tags.VERSION: version})
            return self._after_training(cycle, version, server.endpoint)

    def _after_training(self, cycle: Cycle, version: int, server: Endpoint | None) -> Cycle:
        """Judge the version and promote it, or let it wait, or stop; what was done already is not done again."""
        cycle = cycle.told(RETRAINED, cycle.tags.get(record.WHY, ""), self.order.channels)
        self.deliver()
        if self._was_champion(version):
            return self._finish(cycle, f"version {version} was promoted")
        verdict = self._judged(version, server)
        if not verdict.passes:
            return self._stop(cycle, _of_rules(f"Version {version} did not pass the gate.", verdict.failed))
        if self.order.by_hand:
            return self._wait(cycle, version)
        return self._promote(cycle, version, verdict, cycle.tags.get(record.WHY, ""))

    def _judged(self, version: int, server: Endpoint | None) -> gate.Verdict:
        self.lease.check()
        limits = self.order.settings.limits
        verdict = gate.judge(self.client, version, limits, self.order.tolerance, "", server)
        self.said.verdict(verdict)
        gate.log_verdict(self.client, version, verdict)
        return verdict

    def _wait(self, cycle: Cycle, version: int) -> Cycle:
        approval.ask(self.client, version)
        reason = f"version {version} passed the gate and waits for approval: segments approve {version}"
        cycle = cycle.told(WAITING, reason, self.order.channels).ended(cycle_tags.WAITS, reason)
        self.said.sentence(f"{reason[0].upper()}{reason[1:]}")
        self.settle_waiting(but=cycle.run_id)  # the versions that this one supersedes
        return cycle

    def _promote(
        self, cycle: Cycle, version: int, verdict: gate.Verdict, why: str, approved: str = ""
    ) -> Cycle:
        self.lease.check()
        command = f"{COMMAND} ({approved})" if approved else COMMAND
        cycle = cycle.with_tags(**{record.MOVED_BY: command, record.BEFORE: verdict.champion or "none"})
        move = history.Move(verdict.champion, version, command)
        registry.promote(self.client, move, verdict.tags_of_rules())
        return self._finish(cycle, why)

    def _finish(self, cycle: Cycle, why: str) -> Cycle:
        """Tell that the version is champion, and write the lists. The entry of the history is ended, too."""
        version = cycle.version
        assert version is not None
        if registry.version_of(self.client, CHAMPION) == version:
            command = cycle.tags.get(record.MOVED_BY, COMMAND)
            registry.promote(self.client, history.Move(cycle.before, version, command))
        cycle = cycle.told(PROMOTED, why, self.order.channels)
        approval.supersede(self.client, version)
        self.deliver()
        if self.order.export:
            for file in export_changes(self.client, self.order.export, version, cycle.before):
                self.said.sentence(file.sentence)
        before = f", before version {cycle.before}" if cycle.before else ""
        self.said.sentence(f"Version {version} is champion{before}: {why}.")
        return cycle.ended(cycle_tags.PROMOTED, why)

    def _stop(self, cycle: Cycle, reason: str) -> Cycle:
        self.said.sentence(f"Stopped: {reason}")
        return cycle.told(STOPPED, reason, self.order.channels).ended(cycle_tags.STOPPED, reason)

    def _was_champion(self, version: int) -> bool:
        """Whether a version is or was champion: it is not promoted a second time, so a rollback stays."""
        champion = registry.version_of(self.client, CHAMPION)
        if champion == version:
            return True
        changes = history.changes_until(self.client, champion)
        return any(change.before == version or change.happened_to(version) for change in changes)


def _of_rules(start: str, rules: Sequence[Rule]) -> str:
    return f"{start} " + " ".join(f"{rule.name}: {rule.found}; expected {rule.expected}." for rule in rules)
