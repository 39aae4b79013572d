//! Orders: which are under way, and who gets those that are not.

use std::time::Duration;

use super::{AgentGone, ForgetOrders, InFlight, QueueActor};
use crate::{
    actor::{
        TaskAgent,
        agent::{AgentActor, AgentSeed, Prepare, Release, Turn},
        context_monitor::Forget,
        courier::{Close, Comment, Publish, Revoke},
        quality::{Verify, Withdraw},
    },
    domain::{
        id::IssueRef,
        order::{self, Order, OrderKind},
        task::{Phase, TaskKey},
    },
    runtime::{Handle, Mailbox, Placement, RestartPolicy, Scope, Spec, spawn},
};

/// After how long a merge that the forge did not allow is tried again.
const MERGE_AGAIN: Duration = Duration::from_secs(60);
/// After how long an issue that could not be closed is tried again.
const CLOSE_AGAIN: Duration = Duration::from_secs(30);

impl QueueActor {
    /// Sends the orders of a task that are not under way; forgets those that no longer hold.
    pub(super) fn dispatch(&mut self, issue: &IssueRef) {
        if !self.begun {
            return;
        }
        let orders = order::orders(&self.state, issue);
        let keys: Vec<_> = orders.iter().map(Order::key).collect();
        let now = self.ground.clock.instant();
        let mut withdrawn: Option<TaskKey> = None;
        let mut ungated: Option<TaskKey> = None;
        self.in_flight.retain(|key, sent| {
            if key.task.issue != *issue {
                return true;
            }
            let holds = keys.contains(key);
            if !holds && matches!(key.kind, OrderKind::Publish | OrderKind::Close) {
                withdrawn = Some(key.task.clone());
            }
            if !holds && key.kind == OrderKind::Verify {
                ungated = Some(key.task.clone());
            }
            holds && sent.again_at.is_none_or(|at| at > now)
        });
        if let Some(key) = withdrawn {
            // The courier looks at this between its steps; one that is through already does no harm.
            let _ = self.ground.wiring.courier().port::<Revoke>().tell(Revoke { key });
        }
        if let Some(key) = ungated {
            // Gates that nobody waits for end; those that have reported already are not there any more.
            let _ = self.ground.wiring.quality().port::<Withdraw>().tell(Withdraw { key });
        }
        for (key, order) in keys.into_iter().zip(orders) {
            if self.in_flight.contains_key(&key) || (self.draining && key.kind != OrderKind::Comment) {
                continue;
            }
            let in_review =
                self.state.task(issue).is_some_and(|task| matches!(task.phase, Phase::InReview(_)));
            let again_at = match key.kind {
                OrderKind::Close => Some(now + CLOSE_AGAIN),
                OrderKind::Publish if in_review => Some(now + MERGE_AGAIN),
                _ => None,
            };
            if self.send(order) {
                self.in_flight.insert(key, InFlight { again_at });
            }
        }
    }

    /// Has an order that came to nothing sent again after a while, should it still hold.
    pub(super) fn send_again(&mut self, kind: OrderKind, task: &TaskKey, after: Duration) {
        let again_at = Some(self.ground.clock.instant() + after);
        let sent = self.in_flight.iter_mut().filter(|(key, _)| key.kind == kind && key.task == *task);
        sent.for_each(|(_, sent)| sent.again_at = again_at);
    }

    /// Whether the order was taken; one that was not is derived again at the next tick.
    fn send(&mut self, order: Order) -> bool {
        let wiring = self.ground.wiring.clone();
        let taken = match order {
            Order::Prepare { key, branch, ground } => {
                let Some(agent) = self.agent(&key) else { return false };
                agent.port::<Prepare>().tell(Prepare { key, branch, base: ground }).is_ok()
            }
            Order::Turn(order) => {
                let Some(agent) = self.agent(&order.key.task) else { return false };
                agent.port::<Turn>().tell(Turn { order }).is_ok()
            }
            Order::Verify { key, candidate, ground } => {
                wiring.quality().port::<Verify>().tell(Verify { key, candidate, base: ground }).is_ok()
            }
            Order::Publish(order) => {
                // One at a time in a repository: a merge moves the base under all the others.
                if self.publishes_in(&order.key) {
                    return false;
                }
                wiring.courier().port::<Publish>().tell(Publish { order }).is_ok()
            }
            Order::Close { key } => wiring.courier().port::<Close>().tell(Close { key }).is_ok(),
            Order::Comment { key, text, digest, known } => {
                wiring.courier().port::<Comment>().tell(Comment { key, text, digest, known }).is_ok()
            }
        };
        if !taken {
            self.ground.meters.refused_order();
        }
        taken
    }

    fn publishes_in(&self, key: &TaskKey) -> bool {
        let publishes = |issue: &IssueRef| {
            self.state.task(issue).is_some_and(|task| matches!(task.phase, Phase::Publishing(_)))
        };
        self.in_flight.keys().any(|sent| {
            sent.kind == OrderKind::Publish
                && sent.task.issue.repo == key.issue.repo
                && publishes(&sent.task.issue)
        })
    }

    /// The actor of a task; started where there is none. `None` while one of an older generation is still ending.
    fn agent(&self, key: &TaskKey) -> Option<Mailbox<AgentActor>> {
        let agents = &self.ground.wiring.agents;
        if let Some(agent) = agents.get(&key.issue) {
            if agent.key == *key {
                return Some(agent.mailbox.clone());
            }
            // It may be held by nothing any more; a full mailbox gets the next one.
            let _ = agent.mailbox.port::<Release>().tell(Release {});
            return None;
        }
        let seed = AgentSeed { ground: self.ground.clone(), key: key.clone() };
        let spec = Spec {
            id: format!("agent:{}", key.issue),
            parent: Some("queue".to_owned()),
            capacity: None,
            policy: RestartPolicy::default(),
            on: Placement::Own,
        };
        let mailbox = spawn::<AgentActor>(&self.ground.census, seed, spec);
        agents.insert(key.issue.clone(), TaskAgent { key: key.clone(), mailbox: mailbox.clone() });
        Some(mailbox)
    }

    /// Ends the actors of tasks that are no longer at work.
    pub(super) fn release_agents(&self) {
        let idle: Vec<Mailbox<AgentActor>> = self
            .ground
            .wiring
            .agents
            .iter()
            .filter(|agent| {
                let at_work = self
                    .state
                    .task(agent.key())
                    .is_some_and(|task| task.key == agent.key && task.is_active());
                self.draining || !at_work
            })
            .map(|agent| agent.mailbox.clone())
            .collect();
        for agent in idle {
            // A full mailbox gets the next one.
            let _ = agent.port::<Release>().tell(Release {});
        }
    }
}

impl Handle<AgentGone> for QueueActor {
    fn handle(&mut self, message: AgentGone, _scope: &Scope<Self>) {
        let AgentGone { key } = message;
        self.ground.wiring.agents.remove_if(&key.issue, |_, agent| agent.key == key);
        // A full mailbox keeps a few bytes that the task's next session drops.
        let _ = self.ground.wiring.context_monitor().port::<Forget>().tell(Forget { key: key.clone() });
        self.forget(&[OrderKind::Prepare, OrderKind::Turn], Some(&key));
        self.dispatch(&key.issue);
    }
}

impl Handle<ForgetOrders> for QueueActor {
    fn handle(&mut self, message: ForgetOrders, _scope: &Scope<Self>) {
        let ForgetOrders { kinds, task } = message;
        self.forget(&kinds, task.as_ref());
        let issues: Vec<IssueRef> = match task {
            Some(key) => vec![key.issue],
            None => self.state.tasks().map(|task| task.key.issue.clone()).collect(),
        };
        for issue in issues {
            self.dispatch(&issue);
        }
    }
}

impl QueueActor {
    fn forget(&mut self, kinds: &[OrderKind], task: Option<&TaskKey>) {
        self.in_flight
            .retain(|key, _| !kinds.contains(&key.kind) || task.is_some_and(|task| key.task != *task));
    }
}
