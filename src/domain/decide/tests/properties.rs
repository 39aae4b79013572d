//! Whatever comes, in whatever order: nothing panics, no invariant breaks, the fold is the state.

use proptest::prelude::*;

use super::{driver, *};
use crate::domain::{
    id::{Generation, SessionNo, TurnNo},
    order::OrderKey,
    policy::Rules,
    state::State,
};

/// One of four issues, two repositories.
pub(super) fn nth(index: usize) -> IssueRef {
    [app(1), app(2), app(3), issue("acme/lib#1")][index % 4].clone()
}

/// What may happen; everything that a fact needs is taken from the state as it is then, but for a skew.
#[derive(Clone, Debug)]
enum Act {
    Look {
        which: usize,
        open: bool,
        assigned: bool,
        wording: u8,
        blockers: Vec<(usize, Option<bool>)>,
        hidden: bool,
        pull: u8,
    },
    Gone(usize),
    Time(i64),
    Rules(u8),
    Restart,
    Fact {
        which: usize,
        fact: u8,
        skew: u8,
        tree: u8,
        choice: u8,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let blockers = prop::collection::vec((0..4_usize, prop::option::of(any::<bool>())), 0..3);
    let look = (0..4_usize, prop::bool::weighted(0.85), prop::bool::weighted(0.85), 0..3_u8, blockers);
    let look = (look, prop::bool::weighted(0.05), 0..8_u8).prop_map(
        |((which, open, assigned, wording, blockers), hidden, pull)| {
            // Mostly nothing blocks, or nothing would ever run.
            let blockers = if wording == 2 { blockers } else { Vec::new() };
            Act::Look { which, open, assigned, wording, blockers, hidden, pull }
        },
    );
    let fact = (0..4_usize, 0..20_u8, 0..12_u8, 0..4_u8, any::<u8>());
    prop_oneof![
        6 => look,
        1 => (0..4_usize).prop_map(Act::Gone),
        3 => (0..70_000_i64).prop_map(Act::Time),
        2 => (0..12_u8).prop_map(Act::Rules),
        1 => Just(Act::Restart),
        24 => fact.prop_map(|(which, fact, skew, tree, choice)| Act::Fact { which, fact, skew, tree, choice }),
    ]
}

impl World {
    fn undergo(&mut self, act: Act) {
        match act {
            Act::Look { which, open, assigned, wording, blockers, hidden, pull } => {
                let mut look = said_of(&nth(which)).worded(["one", "two", "two"][usize::from(wording)]);
                look.snapshot.state = if open { IssueState::Open } else { IssueState::Closed };
                look.snapshot.assigned = assigned;
                for (blocker, open) in blockers {
                    let state = open.map(|open| if open { IssueState::Open } else { IssueState::Closed });
                    look = look.waits_for(nth(blocker), state);
                }
                if hidden {
                    look = look.waits_for_hidden();
                }
                look.assignment = Some(i64::from(pull % 3));
                look.pull =
                    [PullState::Open, PullState::Merged, PullState::Closed].get(usize::from(pull)).copied();
                self.observe(look);
            }
            Act::Gone(which) => drop(self.decide(Command::Unreadable(nth(which)))),
            Act::Time(ms) => drop(self.passes(ms)),
            Act::Rules(which) => {
                self.rules = changed_rules(which);
                self.decide(Command::Reconfigured);
            }
            Act::Restart => drop(self.restart()),
            Act::Fact { which, fact, skew, tree, choice } => {
                if let Some(command) = self.fact(&nth(which), fact, skew, tree, choice) {
                    self.decide(command);
                }
            }
        }
    }

    /// A fact on a task; a skew of 3 or more is none.
    fn fact(&mut self, issue: &IssueRef, fact: u8, skew: u8, tree: u8, choice: u8) -> Option<Command> {
        let task = self.state.task(issue)?.clone();
        let mut key = task.key.clone();
        let last = task.sessions.last();
        let mut session = last.map_or(SessionNo::FIRST, |last| last.number);
        let mut turn = TurnNo(last.map_or(1, |last| last.turns));
        match skew {
            0 => key.generation = Generation(key.generation.0 + 1),
            1 => session = session.next(),
            2 => turn = turn.next(),
            _ => {}
        }
        let turn = TurnKey { task: key.clone(), session, turn };
        let tree = [BASE_TREE, "t1", "t2", "t3"][usize::from(tree)];
        let used_tokens = u64::from(choice) * 900;
        let window_tokens = 200_000;
        let faults = [Fault::Agent, Fault::Ours, Fault::Provider, Fault::Configuration];
        let text = || "it happened".to_owned();
        let commit = match &task.phase {
            Phase::Gating(candidate) | Phase::Publishing(candidate) | Phase::InReview(candidate) => {
                candidate.commit.clone()
            }
            _ => CommitId("none".to_owned()),
        };
        Some(match fact {
            0 | 1 => Command::Prepared { key, ground: Box::new(self.ground("base-1")) },
            2 => Command::PrepareFailed { key, reason: text(), retry: choice > 60 },
            3 => Command::Usage { turn, used_tokens, window_tokens },
            4 => Command::Warned { key, session },
            5 => Command::RotationOrdered { key, session, used_tokens, window_tokens },
            6 => Command::Overrun { key, session },
            7 => Command::Noted { turn, notes: Notes { message: tree.to_owned(), plan: Vec::new() } },
            8..=10 => {
                let mut report = self.report(tree);
                report.cut_short = choice.is_multiple_of(5);
                report.used_tokens = choice.is_multiple_of(2).then_some(used_tokens);
                report.window_tokens = Some(window_tokens);
                report.cost_usd = choice.is_multiple_of(3).then_some(f64::from(choice) / 7.0);
                Command::TurnEnded { turn, report: Box::new(report) }
            }
            11 => {
                let fault = faults[usize::from(choice) % 4].clone();
                Command::SessionFailed { turn, cause: text(), fault }
            }
            12 => Command::SessionLost { key, cause: text() },
            13 | 14 => {
                if !matches!(task.phase, Phase::Gating(_)) {
                    return None;
                }
                let verdict = driver::VERDICTS[usize::from(choice) % driver::VERDICTS.len()];
                Command::Verified { key, report: Box::new(self.gate_report_of(issue, &[("test", verdict)])) }
            }
            15 => Command::VerifyFailed { key, reason: text() },
            16 => Command::Pushed { key, commit, tree: TreeId(tree.to_owned()) },
            17 => Command::PullOpened { key, number: u64::from(choice) },
            18 => {
                let outcome = self.outcome(choice, tree);
                Command::PublishEnded { key, commit, outcome }
            }
            _ => match choice % 5 {
                0 => Command::Closed { key },
                1 => Command::CloseRefused { key, reason: text() },
                2 => Command::PublishDelayed { key, reason: text() },
                3 => Command::BaseChanged { repo: key.issue.repo },
                _ => Command::CommentPosted { key, id: 5, digest: tree.to_owned() },
            },
        })
    }

    pub(super) fn outcome(&mut self, choice: u8, tree: &str) -> PublishOutcome {
        let ground = Box::new(self.ground("base-2"));
        match choice % 6 {
            0 | 1 => PublishOutcome::Merged,
            2 => PublishOutcome::WaitsForReview((choice > 100).then(|| "not allowed".to_owned())),
            3 => {
                let candidate = Candidate { base: ground.base.clone(), ..self.report(tree).candidate };
                PublishOutcome::BaseMoved { ground, candidate }
            }
            4 => PublishOutcome::Conflicted { ground, files: vec!["a.rs".to_owned()] },
            _ => PublishOutcome::Refused("for good".to_owned()),
        }
    }
}

fn changed_rules(which: u8) -> Rules {
    let mut rules = World::new().with_large().rules;
    match which {
        0 => rules.models.clear(),
        1 => drop(rules.models.remove("small")),
        2 => rules.models.values_mut().for_each(|model| model.agent = "other".to_owned()),
        3 => rules.gates.clear(),
        4 => rules.start_barred = Some("the disk is full".to_owned()),
        5 => drop(rules.unusable_agents.insert("mine".to_owned(), "no such program".to_owned())),
        6 => drop(rules.repositories.insert(RepoRef::new("acme", "lib"))),
        7 => rules.max_tasks = 1,
        8 => rules.max_tasks_per_repository = 1,
        9 => (rules.policy.max_continuations, rules.policy.max_sessions) = (1, 2),
        10 => rules.policy.merge = MergePolicy::PullRequest,
        _ => {}
    }
    rules
}

fn order_keys(state: &State) -> Vec<OrderKey> {
    state.tasks().flat_map(|task| orders(state, &task.key.issue)).map(|order| order.key()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_facts_breaks_anything(acts in prop::collection::vec(act(), 1..80)) {
        let mut world = World::new().with_large();
        for act in acts {
            // Invariants, fold and the events' JSON are looked at in every step.
            world.undergo(act);
            let keys = order_keys(&world.state);
            let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
            prop_assert_eq!(distinct.len(), keys.len(), "two orders have one key: {:?}", keys);
            for task in world.state.tasks().filter(|task| task.is_active()) {
                prop_assert!(
                    orders(&world.state, &task.key.issue).iter().any(|order| !matches!(order, Order::Comment { .. })),
                    "nothing is ordered for {:?}", task
                );
            }
        }
        let kept = serde_json::to_string(&world.state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&kept).unwrap(), world.state);
    }

    #[test]
    fn whatever_happened_once_faults_end_every_task_comes_to_an_end(
        acts in prop::collection::vec(act(), 1..40),
        temper in prop::collection::vec(any::<u8>(), 1..12),
    ) {
        let mut world = World::new().with_large();
        for act in acts {
            world.undergo(act);
        }
        let steps = driver::drive(&mut world, &temper);
        prop_assert!(steps.is_some(), "not at an end after {} steps: {:#?}", driver::MAX_STEPS, world.state.tasks().collect::<Vec<_>>());
    }
}
