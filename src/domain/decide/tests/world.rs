//! The decision with a clock, and the facts that scenarios are told in.

use super::{super::apply, app, said};
use crate::domain::{
    command::{Command, Fault, Observation, PublishOutcome, TurnReport},
    event::Event,
    evolve::evolve,
    gate::{GateParser, GateReport, GateResult, GateSet, GateSpec, Verdict},
    id::{CommitId, IssueRef, TreeId},
    invariant,
    order::{Order, PublishOrder, TurnOrder, orders},
    policy::{MergePolicy, Rules, TaskPolicy},
    route::{Capability, ModelFacts},
    state::State,
    task::{Candidate, Ended, Ground, Notes, Phase, Task, TaskKey, TurnKey},
    view::StateWord,
};
use std::collections::{BTreeMap, BTreeSet};

/// Tree of the base branch, and of a work tree in which nothing was changed.
pub(in crate::domain) const BASE_TREE: &str = "tree-of-main";

use super::said::Said;

pub(in crate::domain) fn gate(command: &[&str]) -> GateSpec {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    GateSpec { command, timeout_ms: 60_000, parser: GateParser::Exit }
}

pub(in crate::domain) fn model(capability: Capability, window_tokens: u64, price: f64) -> ModelFacts {
    let agent = "mine".to_owned();
    ModelFacts { agent, window_tokens, input_price: price, output_price: price, capability }
}

/// Two gates, one agent, and one free model for all but hard issues.
pub(in crate::domain) fn rules() -> Rules {
    Rules {
        policy: TaskPolicy {
            merge: MergePolicy::Auto,
            max_continuations: 5,
            max_sessions: 6,
            turn_timeout_ms: 1_800_000,
            stall_timeout_ms: 600_000,
            rotate_at: 0.95,
            warn_at: 0.80,
        },
        max_tasks: 4,
        max_tasks_per_repository: 0,
        repositories: BTreeSet::new(),
        gates: GateSet::from([
            ("lint".to_owned(), gate(&["cargo", "clippy"])),
            ("test".to_owned(), gate(&["cargo", "test"])),
        ]),
        models: BTreeMap::from([("small".to_owned(), model(Capability::Medium, 200_000, 0.0))]),
        agents: BTreeSet::from(["mine".to_owned()]),
        unusable_agents: BTreeMap::new(),
        start_barred: None,
    }
}

/// The decision with a clock and all that it decided so far.
pub(in crate::domain) struct World {
    pub(in crate::domain) state: State,
    pub(in crate::domain) rules: Rules,
    pub(in crate::domain) now_ms: i64,
    /// Every event, in order.
    pub(in crate::domain) journal: Vec<Event>,
    /// The fold of the journal, kept beside.
    replayed: State,
    commits: u64,
}

impl World {
    pub(in crate::domain) fn new() -> Self {
        Self {
            state: State::default(),
            rules: rules(),
            now_ms: 1_000_000,
            journal: Vec::new(),
            replayed: State::default(),
            commits: 0,
        }
    }

    /// A second, dearer and more capable model.
    pub(in crate::domain) fn with_large(mut self) -> Self {
        self.rules.models.insert("large".to_owned(), model(Capability::High, 400_000, 5.0));
        self
    }

    /// Nothing may start, for this reason.
    pub(in crate::domain) fn barred(self, why: &str) -> Self {
        self.with(|rules| rules.start_barred = Some(why.to_owned()))
    }

    pub(in crate::domain) fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// Decides, and holds the outcome to everything that is true of every outcome.
    pub(in crate::domain) fn decide(&mut self, command: Command) -> Vec<Event> {
        self.now_ms += 1;
        let told = format!("{command:?}");
        let events = apply(&mut self.state, command, &self.rules, self.now_ms);
        for event in &events {
            let text = serde_json::to_string(event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), *event, "{text}");
            evolve(&mut self.replayed, event, self.now_ms);
        }
        assert_eq!(invariant::violations(&self.state), [], "after {told}");
        assert_eq!(self.replayed, self.state, "the fold is another state after {told}");
        self.journal.extend(events.iter().cloned());
        events
    }

    /// The process ends; another one begins with what a snapshot kept.
    pub(in crate::domain) fn restart(&mut self) -> Vec<Event> {
        let kept = serde_json::to_string(&self.state).unwrap();
        let state: State = serde_json::from_str(&kept).unwrap();
        assert_eq!(state, self.state, "the snapshot keeps another state");
        self.state = state;
        self.decide(Command::Started)
    }

    pub(in crate::domain) fn observe(&mut self, said: Said) -> Vec<Event> {
        let Said { snapshot, metadata, pull, assignment } = said;
        self.decide(Command::Observed(Box::new(Observation { snapshot, metadata, pull, assignment })))
    }

    pub(in crate::domain) fn passes(&mut self, ms: i64) -> Vec<Event> {
        self.now_ms += ms;
        self.decide(Command::Tick)
    }

    pub(in crate::domain) fn task(&self, number: u64) -> &Task {
        self.task_of(&app(number))
    }

    pub(in crate::domain) fn task_of(&self, issue: &IssueRef) -> &Task {
        self.state.task(issue).unwrap_or_else(|| panic!("there is no task on {issue}"))
    }

    pub(in crate::domain) fn word(&self, number: u64) -> StateWord {
        StateWord::from(&self.task(number).phase)
    }

    pub(in crate::domain) fn reason(&self, number: u64) -> &str {
        self.task(number).reason.as_deref().unwrap_or_default()
    }

    pub(in crate::domain) fn key(&self, number: u64) -> TaskKey {
        self.task(number).key.clone()
    }

    /// Order of starting of what waits, by number.
    pub(in crate::domain) fn ready(&self) -> Vec<u64> {
        self.state.ready().map(|turnout| turnout.issue().number).collect()
    }

    pub(in crate::domain) fn work_order(&self, number: u64) -> Option<Order> {
        let mut all = orders(&self.state, &app(number));
        all.retain(|order| !matches!(order, Order::Comment { .. }));
        assert!(all.len() <= 1, "{all:?}");
        all.pop()
    }

    /// The turn that an agent is told to do.
    pub(in crate::domain) fn turn(&self, number: u64) -> TurnOrder {
        match self.work_order(number) {
            Some(Order::Turn(turn)) => *turn,
            other => panic!("no turn is ordered, but {other:?}; {:?}", self.task(number)),
        }
    }

    pub(in crate::domain) fn publish_order(&self, number: u64) -> PublishOrder {
        match self.work_order(number) {
            Some(Order::Publish(publish)) => *publish,
            other => panic!("nothing is to be published, but {other:?}"),
        }
    }

    pub(in crate::domain) fn turn_key(&self, number: u64) -> TurnKey {
        self.turn(number).key
    }

    /// What the running turn is for: `work`, `continue`, `handover`, with its place.
    pub(in crate::domain) fn prompt(&self, number: u64) -> String {
        let turn = self.turn(number);
        format!("{} {}.{} {}", turn.purpose.phase_word(), turn.key.session, turn.key.turn, turn.model)
    }

    /// How the sessions ended so far, in words; the live one is `lives`.
    pub(in crate::domain) fn sessions(&self, number: u64) -> Vec<String> {
        let word = |ended: Option<Ended>| match ended {
            None => "lives".to_owned(),
            Some(ended) => serde_json::to_value(ended).unwrap().as_str().unwrap().to_owned(),
        };
        self.task(number).sessions.iter().map(|session| word(session.ended)).collect()
    }

    /// What a base branch at `base` says under the rules as they are.
    pub(in crate::domain) fn ground(&self, base: &str) -> Ground {
        Ground {
            base_branch: "main".to_owned(),
            base: CommitId(base.to_owned()),
            gates: self.rules.gates.clone(),
            gate_set: format!("{:?}", self.rules.gates.keys().collect::<Vec<_>>()),
            policy: self.rules.policy.clone(),
        }
    }

    pub(in crate::domain) fn prepared(&mut self, number: u64) -> Vec<Event> {
        let ground = Box::new(self.ground("base-1"));
        self.decide(Command::Prepared { key: self.key(number), ground })
    }

    pub(in crate::domain) fn report(&mut self, tree: &str) -> TurnReport {
        self.commits += 1;
        TurnReport {
            cut_short: false,
            stop: "end_turn".to_owned(),
            candidate: Candidate {
                commit: CommitId(format!("commit-{}", self.commits)),
                tree: TreeId(tree.to_owned()),
                base: CommitId("base-1".to_owned()),
            },
            base_tree: TreeId(BASE_TREE.to_owned()),
            notes: Notes::default(),
            cost_usd: None,
            used_tokens: None,
            peak_tokens: None,
            window_tokens: None,
        }
    }

    /// The agent ends its turn with this tree.
    pub(in crate::domain) fn turn_ended(&mut self, number: u64, tree: &str) -> Vec<Event> {
        self.turn_ended_with(number, tree, |_| {})
    }

    pub(in crate::domain) fn turn_ended_with(
        &mut self,
        number: u64,
        tree: &str,
        change: impl FnOnce(&mut TurnReport),
    ) -> Vec<Event> {
        let mut report = self.report(tree);
        change(&mut report);
        let turn = self.turn_key(number);
        self.decide(Command::TurnEnded { turn, report: Box::new(report) })
    }

    /// The running turn is cut short at the rotation line.
    pub(in crate::domain) fn cut_short(&mut self, number: u64, tree: &str) -> Vec<Event> {
        self.turn_ended_with(number, tree, |report| report.cut_short = true)
    }

    pub(in crate::domain) fn candidate(&self, number: u64) -> Candidate {
        self.candidate_of(&app(number))
    }

    fn candidate_of(&self, issue: &IssueRef) -> Candidate {
        match &self.task_of(issue).phase {
            Phase::Gating(candidate) | Phase::Publishing(candidate) | Phase::InReview(candidate) => {
                candidate.clone()
            }
            other => panic!("no commit is on its way: {other:?}"),
        }
    }

    /// The gates' report on the candidate: green, but for those named.
    pub(in crate::domain) fn gate_report(&self, number: u64, otherwise: &[(&str, Verdict)]) -> GateReport {
        self.gate_report_of(&app(number), otherwise)
    }

    pub(in crate::domain) fn gate_report_of(
        &self,
        issue: &IssueRef,
        otherwise: &[(&str, Verdict)],
    ) -> GateReport {
        let ground = self.task_of(issue).ground.clone().unwrap();
        let Candidate { commit, tree, .. } = self.candidate_of(issue);
        let result = |name: &String, spec: &GateSpec| GateResult {
            verdict: otherwise
                .iter()
                .find(|(other, _)| other == name)
                .map_or(Verdict::Green, |(_, verdict)| *verdict),
            command: spec.command.clone(),
            exit_code: Some(0),
            duration_ms: 1_200,
            detail: None,
            output: String::new(),
            line_percent: None,
        };
        let gates = ground.gates.iter().map(|(name, spec)| (name.clone(), result(name, spec))).collect();
        GateReport { commit, tree, gate_set: ground.gate_set, gates }
    }

    pub(in crate::domain) fn verified(&mut self, number: u64, otherwise: &[(&str, Verdict)]) -> Vec<Event> {
        let report = Box::new(self.gate_report(number, otherwise));
        self.decide(Command::Verified { key: self.key(number), report })
    }

    pub(in crate::domain) fn green(&mut self, number: u64) -> Vec<Event> {
        self.verified(number, &[])
    }

    pub(in crate::domain) fn red(&mut self, number: u64) -> Vec<Event> {
        self.verified(number, &[("test", Verdict::Red)])
    }

    pub(in crate::domain) fn used(&mut self, number: u64, used_tokens: u64) -> Vec<Event> {
        let TurnOrder { key: turn, window_tokens, .. } = self.turn(number);
        self.decide(Command::Usage { turn, used_tokens, window_tokens })
    }

    pub(in crate::domain) fn rotation_ordered(&mut self, number: u64, used_tokens: u64) -> Vec<Event> {
        let TurnOrder { key, window_tokens, .. } = self.turn(number);
        self.decide(Command::RotationOrdered {
            key: key.task,
            session: key.session,
            used_tokens,
            window_tokens,
        })
    }

    pub(in crate::domain) fn failed(&mut self, number: u64, cause: &str, fault: Fault) -> Vec<Event> {
        let turn = self.turn_key(number);
        self.decide(Command::SessionFailed { turn, cause: cause.to_owned(), fault })
    }

    /// The branch carries the candidate, and the pull request is there.
    pub(in crate::domain) fn pushed(&mut self, number: u64) {
        let Candidate { commit, tree, .. } = self.candidate(number);
        let key = self.key(number);
        self.decide(Command::Pushed { key: key.clone(), commit, tree });
        self.decide(Command::PullOpened { key, number: 100 + number });
    }

    pub(in crate::domain) fn publish_ended(&mut self, number: u64, outcome: PublishOutcome) -> Vec<Event> {
        let commit = self.candidate(number).commit;
        self.decide(Command::PublishEnded { key: self.key(number), commit, outcome })
    }

    pub(in crate::domain) fn closed(&mut self, number: u64) -> Vec<Event> {
        self.decide(Command::Closed { key: self.key(number) })
    }

    /// An issue is accepted and its first turn runs.
    pub(in crate::domain) fn works_on(&mut self, number: u64) {
        self.observe(said(number));
        self.prepared(number);
        assert_eq!(self.prompt(number), "work 1.1 small");
    }

    /// A first turn left `tree`, and the gates run on it.
    pub(in crate::domain) fn gates_run_on(&mut self, number: u64, tree: &str) {
        self.works_on(number);
        self.turn_ended(number, tree);
        assert_eq!(self.word(number), StateWord::Gating);
    }

    /// A first turn left `tree`, which is green.
    pub(in crate::domain) fn publishes(&mut self, number: u64, tree: &str) {
        self.gates_run_on(number, tree);
        self.green(number);
        assert_eq!(self.word(number), StateWord::Publishing);
    }

    /// From the first observation to the closed issue.
    pub(in crate::domain) fn finishes(&mut self, number: u64, tree: &str) {
        self.publishes(number, tree);
        self.merges(number);
        assert_eq!(self.word(number), StateWord::Done);
    }

    pub(in crate::domain) fn merges(&mut self, number: u64) {
        self.pushed(number);
        self.publish_ended(number, PublishOutcome::Merged);
        self.closed(number);
    }
}
