//! The story of the demo: what the maintainer does, and then the watching until nothing moves any more.
//!
//! Promises not to lift a finger once the issues are assigned, and to end when every task is at its end or waits for
//! one that is.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use super::{maintainer::Maintainer, progress::Progress, sample};
use crate::{
    domain::view::{StateWord, TaskView},
    runtime::Clock,
    store::board::Board,
};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);
/// How long what follows a merge (a status, the last edit of a comment) may take to show on the forge.
const AFTERMATH: Duration = Duration::from_secs(10);

/// Everything that the story needs.
pub(super) struct Story<'a> {
    pub(super) maintainer: &'a Maintainer,
    /// Where the sample project is written.
    pub(super) folder: &'a Path,
    /// What git sees.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Where events are sent to.
    pub(super) hook: String,
    /// What they are signed with.
    pub(super) secret: &'a str,
    pub(super) board: Board,
    pub(super) clock: Clock,
}

impl Story<'_> {
    /// Tells it from the empty forge to its end. Gives what the forge says is missing then; empty: nothing.
    pub(super) async fn tell<W: std::io::Write>(
        &self,
        progress: &mut Progress<W>,
    ) -> anyhow::Result<Vec<String>> {
        let maintainer = self.maintainer;
        maintainer.set_up(&self.hook, self.secret).await?;
        let folder = self.folder.join("sample");
        sample::push(&folder, self.environment, &maintainer.clone_url(), maintainer.token()).await?;
        maintainer.file_issues().await?;
        loop {
            let tasks = self.board.tasks();
            progress.show(&tasks)?;
            if is_settled(&tasks) {
                break;
            }
            self.clock.sleep(LOOK).await;
        }
        self.aftermath(self.clock.instant() + AFTERMATH).await
    }

    async fn aftermath(&self, deadline: Instant) -> anyhow::Result<Vec<String>> {
        loop {
            let shortcomings = self.maintainer.shortcomings().await?;
            if shortcomings.is_empty() || self.clock.instant() >= deadline {
                return Ok(shortcomings);
            }
            self.clock.sleep(LOOK).await;
        }
    }
}

/// Whether nothing will happen any more: every issue has a task, and each is at its end, or is blocked while another
/// ended otherwise than done.
fn is_settled(tasks: &[TaskView]) -> bool {
    let given_up = |task: &TaskView| matches!(task.state, StateWord::Parked | StateWord::Cancelled);
    let is_stuck = tasks.iter().any(given_up);
    tasks.len() == sample::issues().count()
        && tasks.iter().all(|task| match task.state {
            StateWord::Done | StateWord::Parked | StateWord::Cancelled => true,
            StateWord::Blocked => is_stuck,
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::{super::progress::tests::task, *};

    fn settled(states: [StateWord; 5]) -> bool {
        let tasks: Vec<TaskView> = (1..).zip(states).map(|(number, state)| task(number, state)).collect();
        is_settled(&tasks)
    }

    #[test]
    fn all_done_is_settled_and_one_less_is_not() {
        use StateWord::{Done, InReview};
        assert!(settled([Done; 5]));
        assert!(!settled([Done, Done, Done, Done, InReview]));
        let four: Vec<TaskView> = (1..5).map(|number| task(number, Done)).collect();
        assert!(!is_settled(&four));
    }

    #[test]
    fn blocked_is_settled_only_behind_one_that_was_given_up() {
        use StateWord::{Blocked, Cancelled, Done, Gating, Parked};
        assert!(!settled([Done, Done, Done, Done, Blocked]));
        assert!(settled([Done, Parked, Done, Blocked, Blocked]));
        assert!(settled([Done, Done, Cancelled, Blocked, Blocked]));
        assert!(!settled([Done, Parked, Gating, Blocked, Blocked]));
    }
}
