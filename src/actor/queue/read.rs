//! Which issues are to be read again, and when all are looked at.

use super::{Finding, Observed, QueueActor, Swept, Touched};
use crate::{
    actor::courier::{Read, Sweep},
    domain::{
        command::Command,
        id::IssueRef,
        task::{ParkCause, Phase},
    },
    runtime::{Handle, RebuildError, Scope},
};

/// A last change is seen at whole seconds: an issue is read again until it was seen unchanged this often.
const SIGHTINGS: u32 = 2;

impl QueueActor {
    /// Deliveries that were stored but whose issue was not read again before the end of the process before.
    pub(super) fn take_up_deliveries(&mut self) -> Result<(), RebuildError> {
        let pending =
            self.ground.store.pending_deliveries().map_err(|error| RebuildError(error.to_string()))?;
        for delivery in pending {
            let Ok(issue) = delivery.issue.parse::<IssueRef>() else { continue };
            self.deliveries.entry(issue.clone()).or_default().push(delivery.key);
            self.to_read.insert(issue);
        }
        Ok(())
    }

    /// Sends what is to be read to the courier; what it does not take now is sent at the next tick.
    pub(super) fn send_reads(&mut self) {
        if !self.begun {
            return;
        }
        let port = self.ground.wiring.courier().port::<Read>();
        while let Some(issue) = self.to_read.pop_first() {
            let task = self.state.task(&issue);
            let pull = task.filter(|task| !task.is_over()).and_then(|task| task.pull_request);
            let parked = task.is_some_and(|task| matches!(task.phase, Phase::Parked(_)));
            if port.tell(Read { issue: issue.clone(), pull, parked }).is_err() {
                self.to_read.insert(issue);
                return;
            }
        }
    }

    /// A cycle may lead through issues that are not the bot's: open blockers that nobody read yet are read.
    pub(super) fn ask_for_blockers(&mut self, issue: &IssueRef) {
        for blocker in self.state.graph().open_blockers(issue) {
            let known = self.state.issue(&blocker).is_some() || self.state.is_unreadable(&blocker);
            if !known && self.asked.insert(blocker.clone()) {
                self.to_read.insert(blocker);
            }
        }
        self.send_reads();
    }

    pub(super) fn sweep_if_due(&mut self) {
        if !self.begun || self.draining {
            return;
        }
        let config = self.ground.config.load();
        let period =
            if self.is_active() { config.gitea.reconcile_active } else { config.gitea.reconcile_idle };
        let now = self.ground.clock.instant();
        if self.swept_at.is_some_and(|at| now.duration_since(at) < period) {
            return;
        }
        if self.ground.wiring.courier().port::<Sweep>().tell(Sweep {}).is_ok() {
            self.swept_at = Some(now);
        }
    }

    /// Whether anything waits for what no webhook tells.
    fn is_active(&self) -> bool {
        self.state.tasks().any(|task| match &task.phase {
            Phase::Parked(parking) => parking.cause == ParkCause::Cycle,
            _ => !task.is_over(),
        })
    }
}

impl Handle<Touched> for QueueActor {
    fn handle(&mut self, message: Touched, _scope: &Scope<Self>) {
        let Touched { issue, delivery } = message;
        if let Some(delivery) = delivery {
            self.deliveries.entry(issue.clone()).or_default().push(delivery);
        }
        self.to_read.insert(issue);
        self.send_reads();
    }
}

impl Handle<Observed> for QueueActor {
    fn handle(&mut self, message: Observed, _scope: &Scope<Self>) {
        let Observed { issue, finding } = message;
        let committed = match finding {
            Finding::Seen(observation) => self.decide(Command::Observed(observation)),
            Finding::Unreadable => self.decide(Command::Unreadable(issue.clone())),
            Finding::PullRequest => true,
        };
        if !committed {
            // What was seen is lost with the decision: it is to be seen again, and its deliveries are not done.
            self.to_read.insert(issue);
            return;
        }
        if let Some(keys) = self.deliveries.remove(&issue)
            && let Err(error) = self.ground.store.mark_deliveries(keys)
        {
            tracing::warn!(%error, "deliveries could not be marked; they are read again after the next start");
        }
        self.send_reads();
    }
}

impl Handle<Swept> for QueueActor {
    fn handle(&mut self, message: Swept, _scope: &Scope<Self>) {
        let mut listed = std::collections::BTreeSet::new();
        for (issue, updated_ms) in message.issues {
            let sighting = self.sightings.entry(issue.clone()).or_insert((updated_ms, 0));
            if sighting.0 != updated_ms {
                *sighting = (updated_ms, 0);
            }
            let fresh = sighting.1 < SIGHTINGS;
            sighting.1 += 1;
            if fresh {
                self.to_read.insert(issue.clone());
            }
            listed.insert(issue);
        }
        self.sightings.retain(|issue, _| listed.contains(issue));
        let mut blockers = Vec::new();
        for task in self.state.tasks() {
            let issue = &task.key.issue;
            let waits = matches!(&task.phase, Phase::Blocked | Phase::InReview(_))
                || matches!(&task.phase, Phase::Parked(parking) if parking.cause == ParkCause::Cycle);
            if waits {
                blockers.extend(self.state.graph().open_blockers(issue));
            }
            if waits || (!task.is_over() && !listed.contains(issue)) {
                self.to_read.insert(issue.clone());
            }
        }
        // What blocks may have changed where no webhook reaches.
        self.to_read.extend(blockers);
        self.send_reads();
    }
}
