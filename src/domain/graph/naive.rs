//! The graph computed anew from its records each time: what the incremental one is held to in tests.
//!
//! Shares no code with it. Blockers are found by a scan, cycles by what reaches what.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{Changes, NodeState};

#[derive(Debug, Default)]
struct Record {
    state: NodeState,
    hidden: usize,
    blockers: BTreeSet<u8>,
    blocks: BTreeSet<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Naive {
    records: BTreeMap<u8, Record>,
}

/// All that may be asked of one issue.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) open_blockers: Vec<u8>,
    pub(super) dependants: Vec<u8>,
    pub(super) hidden: usize,
    pub(super) cycle: Option<Vec<u8>>,
}

impl Answer {
    pub(super) fn is_free(&self) -> bool {
        self.open_blockers.is_empty() && self.hidden == 0 && self.cycle.is_none()
    }
}

impl Naive {
    pub(super) fn set_blockers(&mut self, issue: u8, blockers: BTreeSet<u8>, hidden: usize) {
        let record = self.records.entry(issue).or_default();
        record.blockers = blockers;
        record.hidden = hidden;
    }

    pub(super) fn set_blocks(&mut self, issue: u8, blocked: BTreeSet<u8>) {
        self.records.entry(issue).or_default().blocks = blocked;
    }

    pub(super) fn set_state(&mut self, issue: u8, state: NodeState) {
        self.records.entry(issue).or_default().state = state;
    }

    pub(super) fn remove(&mut self, issue: &u8) {
        self.records.remove(issue);
    }

    fn is_open(&self, issue: u8) -> bool {
        self.records.get(&issue).is_none_or(|record| record.state != NodeState::Closed)
    }

    fn is_edge(&self, blocker: u8, dependant: u8) -> bool {
        self.records.get(&dependant).is_some_and(|record| record.blockers.contains(&blocker))
            || self.records.get(&blocker).is_some_and(|record| record.blocks.contains(&dependant))
    }

    /// What can be reached from `issue` over at least one edge among open issues.
    fn reached(&self, issue: u8, issues: Range<u8>) -> BTreeSet<u8> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![issue];
        while let Some(at) = waiting.pop() {
            for next in issues.clone() {
                if self.is_open(at) && self.is_open(next) && self.is_edge(at, next) && reached.insert(next) {
                    waiting.push(next);
                }
            }
        }
        reached
    }

    pub(super) fn answers(&self, issues: Range<u8>) -> BTreeMap<u8, Answer> {
        let reached: Vec<BTreeSet<u8>> =
            issues.clone().map(|issue| self.reached(issue, issues.clone())).collect();
        let both_ways = |one: u8, two: u8| {
            reached[usize::from(one)].contains(&two) && reached[usize::from(two)].contains(&one)
        };
        issues
            .clone()
            .map(|issue| {
                let answer = Answer {
                    open_blockers: issues
                        .clone()
                        .filter(|&other| self.is_open(other) && self.is_edge(other, issue))
                        .collect(),
                    dependants: issues.clone().filter(|&other| self.is_edge(issue, other)).collect(),
                    hidden: self.records.get(&issue).map_or(0, |record| record.hidden),
                    cycle: both_ways(issue, issue)
                        .then(|| issues.clone().filter(|&other| both_ways(issue, other)).collect()),
                };
                (issue, answer)
            })
            .collect()
    }
}

pub(super) fn changes(before: &BTreeMap<u8, Answer>, now: &BTreeMap<u8, Answer>) -> Changes<u8> {
    let those = |kept: &dyn Fn(&Answer, &Answer) -> bool| {
        now.iter().filter(|(issue, answer)| kept(&before[*issue], answer)).map(|(&issue, _)| issue).collect()
    };
    Changes {
        freed: those(&|before, now| !before.is_free() && now.is_free()),
        blocked: those(&|before, now| before.is_free() && !now.is_free()),
        cycle_changed: those(&|before, now| before.cycle != now.cycle),
    }
}
