//! What the forge says of an issue, in the fewest words a scenario needs.

use super::app;
use crate::domain::{
    command::PullState,
    id::IssueRef,
    issue::{Blocker, IssueSnapshot, IssueState},
    metadata::{Difficulty, Field, Metadata, Priority, Source},
};

/// What the forge says of an issue: open, assigned and blocked by nothing, until said otherwise.
#[derive(Clone, Debug)]
pub(in crate::domain) struct Said {
    pub(in crate::domain) snapshot: IssueSnapshot,
    pub(in crate::domain) metadata: Metadata,
    pub(in crate::domain) pull: Option<PullState>,
    pub(in crate::domain) assignment: Option<i64>,
}

pub(in crate::domain) fn said(number: u64) -> Said {
    said_of(&app(number))
}

pub(in crate::domain) fn said_of(issue: &IssueRef) -> Said {
    Said {
        snapshot: IssueSnapshot {
            issue: issue.clone(),
            title: format!("Issue {}", issue.number),
            body: "Do it.".to_owned(),
            state: IssueState::Open,
            assigned: true,
            labels: Vec::new(),
            blockers: Vec::new(),
            blocks: Vec::new(),
            created_ms: 1_000 * i64::try_from(issue.number).unwrap(),
            updated_ms: 0,
        },
        metadata: Metadata::default(),
        pull: None,
        assignment: None,
    }
}

fn field<T>(value: T) -> Option<Field<T>> {
    Some(Field { value, source: Source::Line })
}

impl Said {
    pub(in crate::domain) fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.snapshot.title);
        self
    }

    pub(in crate::domain) fn worded(mut self, body: &str) -> Self {
        body.clone_into(&mut self.snapshot.body);
        self
    }

    pub(in crate::domain) fn unassigned(mut self) -> Self {
        self.snapshot.assigned = false;
        self
    }

    pub(in crate::domain) fn closed(mut self) -> Self {
        self.snapshot.state = IssueState::Closed;
        self
    }

    pub(in crate::domain) fn created_at(mut self, ms: i64) -> Self {
        self.snapshot.created_ms = ms;
        self
    }

    pub(in crate::domain) fn touched_at(mut self, ms: i64) -> Self {
        self.snapshot.updated_ms = ms;
        self
    }

    pub(in crate::domain) fn waits_for(mut self, issue: IssueRef, state: Option<IssueState>) -> Self {
        self.snapshot.blockers.push(Blocker { issue: Some(issue), state });
        self
    }

    pub(in crate::domain) fn waits_for_open(self, number: u64) -> Self {
        self.waits_for(app(number), Some(IssueState::Open))
    }

    pub(in crate::domain) fn waits_for_hidden(mut self) -> Self {
        self.snapshot.blockers.push(Blocker { issue: None, state: None });
        self
    }

    pub(in crate::domain) fn blocks(mut self, number: u64) -> Self {
        self.snapshot.blocks.push(app(number));
        self
    }

    pub(in crate::domain) fn says_blocked_by(mut self, number: u64) -> Self {
        self.metadata.blocked_by = field(vec![app(number)]);
        self
    }

    pub(in crate::domain) fn says_blocks(mut self, number: u64) -> Self {
        self.metadata.blocks = field(vec![app(number)]);
        self
    }

    pub(in crate::domain) fn of_priority(mut self, priority: Priority) -> Self {
        self.metadata.priority = field(priority);
        self
    }

    pub(in crate::domain) fn of_difficulty(mut self, difficulty: Difficulty) -> Self {
        self.metadata.difficulty = field(difficulty);
        self
    }

    pub(in crate::domain) fn estimated_at(mut self, tokens: u64) -> Self {
        self.metadata.estimated_tokens = field(tokens);
        self
    }

    pub(in crate::domain) fn wants_model(mut self, model: &str) -> Self {
        self.metadata.model = field(model.to_owned());
        self
    }

    /// The forge's history says which assignment is the bot's last.
    pub(in crate::domain) fn assigned_by(mut self, assignment: i64) -> Self {
        self.assignment = Some(assignment);
        self
    }

    pub(in crate::domain) fn with_pull(mut self, pull: PullState) -> Self {
        self.pull = Some(pull);
        self
    }
}
