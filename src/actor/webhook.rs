//! WebhookActor: one per HTTP worker. Verifies a delivery and hands it, with its reply slot, to the store's writer.
//!
//! Holds nothing; never waits for the disk itself. The answer is given on the writer's thread after the sync.
//!
//! | message | does |
//! |---|---|
//! | [`Deliver`] | verify → store → answer → `touched` to the queue |

use super::{
    Ground,
    queue::{BaseChanged, Touched},
};
use crate::{
    domain::id::{IssueRef, RepoRef},
    forge::{
        Delivery, HintKind,
        delivery::Refusal,
        intake::{Deliver, Intake},
    },
    runtime::{Handle, RebuildError, Role, Scope},
    store::{NewDelivery, Put},
};

/// See the module.
pub struct WebhookActor {
    ground: Ground,
}

impl Role for WebhookActor {
    type Seed = Ground;
    const ROLE: &'static str = "WebhookActor";
    const CAPACITY: usize = 1024;

    fn rebuild(seed: &Ground, _scope: &Scope<Self>) -> Result<Self, RebuildError> {
        Ok(Self { ground: seed.clone() })
    }

    fn corrupt(&mut self) {
        // All that it holds is the ground: a store that is somebody else's would be its corruption.
        self.ground.term = u64::MAX;
    }
}

impl Handle<Deliver> for WebhookActor {
    fn handle(&mut self, message: Deliver, _scope: &Scope<Self>) {
        let Deliver { headers, body, reply } = message;
        let answer = |intake| {
            // A worker that gave up waiting has answered already.
            let _ = reply.send(intake);
        };
        if let Some(full) = self.ground.health.get("disk").filter(|check| !check.ok) {
            return answer(Intake::Unavailable { message: full.detail });
        }
        let config = self.ground.config.load();
        let delivery = match Delivery::read(&config.gitea.webhook_secrets, &headers, &body) {
            Ok(delivery) => delivery,
            Err(refusal) => return answer(self.refused(&refusal)),
        };
        let issue = self.issue_of(&delivery.hint.kind);
        let base_of = self.base_of(&delivery.hint.kind).filter(|_| issue.is_none());
        let key = delivery.key.clone();
        let stored = NewDelivery {
            key: delivery.key,
            event: delivery.hint.event,
            issue: issue.as_ref().map(ToString::to_string),
            received_ms: self.ground.clock.now_ms(),
            payload: delivery.payload,
        };
        let ground = self.ground.clone();
        self.ground.store.put_delivery(
            stored,
            Box::new(move |put| {
                let outcome = match (put, issue) {
                    (Ok(Put::Duplicate), _) => Intake::Duplicate { delivery: key },
                    (Ok(Put::New), None) => {
                        if let Some(repo) = base_of {
                            // A full queue looks at the next start, or at the next push.
                            let _ = ground.wiring.queue().port::<BaseChanged>().tell(BaseChanged { repo });
                        }
                        Intake::Ignored { delivery: key }
                    }
                    (Ok(Put::New), Some(issue)) => {
                        let touched = Touched { issue, delivery: Some(key.clone()) };
                        // Refused, it stays pending in the inbox, and the next sweep reads the issue.
                        if ground.wiring.queue().port::<Touched>().tell(touched).is_err() {
                            tracing::warn!(delivery = %key, "the queue is full; the sweep will read the issue");
                        }
                        Intake::Accepted { delivery: key }
                    }
                    (Err(error), _) => {
                        tracing::error!(%error, delivery = %key, "a delivery could not be stored");
                        Intake::Unavailable { message: format!("the inbox cannot be written: {error}") }
                    }
                };
                ground.meters.delivery(&outcome);
                answer(outcome);
            }),
        );
    }
}

impl WebhookActor {
    fn refused(&self, refusal: &Refusal) -> Intake {
        tracing::warn!(%refusal, "a delivery was refused");
        let outcome = Intake::Refused { status: refusal.status(), message: refusal.to_string() };
        self.ground.meters.delivery(&outcome);
        outcome
    }

    /// The issue to be read again, if the delivery concerns one of ours.
    fn issue_of(&self, kind: &HintKind) -> Option<IssueRef> {
        let board = &self.ground.board;
        let (repo, issue) = match kind {
            HintKind::Issue(issue) => (issue.repo.clone(), Some(issue.clone())),
            HintKind::PullRequest { repo, number, head_branch } => {
                let by_branch = head_branch.as_ref().and_then(|branch| board.issue_of_branch(repo, branch));
                (repo.clone(), by_branch.or_else(|| board.issue_of_pull(repo, *number)))
            }
            HintKind::Push { repo, branch } => {
                (repo.clone(), branch.as_ref().and_then(|branch| board.issue_of_branch(repo, branch)))
            }
            HintKind::Other => return None,
        };
        issue.filter(|_| self.covers(&repo))
    }

    /// The repository whose base may have been pushed to: tasks that lack gates there are worth a look.
    fn base_of(&self, kind: &HintKind) -> Option<RepoRef> {
        match kind {
            HintKind::Push { repo, branch: Some(_) } if self.covers(repo) => Some(repo.clone()),
            _ => None,
        }
    }

    fn covers(&self, repo: &RepoRef) -> bool {
        let config = self.ground.config.load();
        config.gitea.repositories.is_empty() || config.gitea.repositories.contains(repo)
    }
}
