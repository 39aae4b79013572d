//! A fair driver: every order is answered, every wait ends, every person does what is asked.

use super::*;

/// What gates may say.
pub(super) const VERDICTS: [Verdict; 5] =
    [Verdict::Green, Verdict::Red, Verdict::TimedOut, Verdict::NoTests, Verdict::CouldNotRun];

/// Four tasks, each at most a handful of sessions and continuations, a few facts each.
pub(super) const MAX_STEPS: usize = 600;

/// Answers orders until every task is at an end, by the choices of `temper`, over and over. Returns after how many
/// steps; `None`: there is no end.
pub(super) fn drive(world: &mut World, temper: &[u8]) -> Option<usize> {
    world.rules = World::new().with_large().rules;
    world.decide(Command::Reconfigured);
    let mut choices = temper.iter().copied().cycle();
    for step in 0..MAX_STEPS {
        let Some(issue) = world.state.tasks().find(|task| !task.is_over()).map(|task| task.key.issue.clone())
        else {
            return Some(step);
        };
        // Each in turn, so that none is driven to its end before another is looked at.
        let open: Vec<IssueRef> =
            world.state.tasks().filter(|task| !task.is_over()).map(|task| task.key.issue.clone()).collect();
        let issue = open.get(step % open.len()).cloned().unwrap_or(issue);
        let choice = choices.next()?;
        world.answer(&issue, choice);
    }
    None
}

impl World {
    fn answer(&mut self, issue: &IssueRef, choice: u8) {
        let task = self.task_of(issue).clone();
        let key = task.key.clone();
        let work =
            orders(&self.state, issue).into_iter().find(|order| !matches!(order, Order::Comment { .. }));
        match work {
            Some(Order::Prepare { key, ground, .. }) => {
                let ground = ground.unwrap_or_else(|| Box::new(self.ground("base-1")));
                self.decide(Command::Prepared { key, ground });
            }
            Some(Order::Turn(turn)) => self.work(turn.key, choice),
            Some(Order::Verify { key, .. }) => {
                let verdict = VERDICTS[usize::from(choice) % VERDICTS.len()];
                let report = Box::new(self.gate_report_of(issue, &[("test", verdict)]));
                self.decide(Command::Verified { key, report });
            }
            Some(Order::Publish(order)) => {
                let Candidate { commit, tree, .. } = order.candidate;
                self.decide(Command::Pushed { key: key.clone(), commit: commit.clone(), tree });
                self.decide(Command::PullOpened { key: key.clone(), number: 9 });
                let outcome = match self.outcome(choice, "t9") {
                    // The base does not move for ever.
                    PublishOutcome::BaseMoved { .. } => PublishOutcome::Merged,
                    outcome => outcome,
                };
                self.decide(Command::PublishEnded { key, commit, outcome });
            }
            Some(Order::Close { key }) => drop(self.decide(Command::Closed { key })),
            Some(Order::Comment { .. }) => unreachable!("left out above"),
            None => self.unblock(issue, &task.phase),
        }
    }

    fn work(&mut self, turn: TurnKey, choice: u8) {
        let tree = [BASE_TREE, "t1", "t2", "t3"][usize::from(choice) % 4];
        if choice % 7 == 6 {
            self.decide(Command::SessionFailed {
                turn,
                cause: "it fell over".to_owned(),
                fault: Fault::Agent,
            });
            return;
        }
        let mut report = Box::new(self.report(tree));
        report.cut_short = choice % 7 == 5;
        report.used_tokens = Some(u64::from(choice) * 900);
        report.window_tokens = Some(200_000);
        self.decide(Command::TurnEnded { turn, report });
    }

    /// Time goes by, blockers are closed, a person merges.
    fn unblock(&mut self, issue: &IssueRef, phase: &Phase) {
        match phase {
            Phase::InReview(_) => drop(self.observe(said_of(issue).with_pull(PullState::Merged))),
            Phase::Blocked => drop(self.observe(said_of(issue))),
            _ => drop(self.passes(60_000)),
        }
    }
}
