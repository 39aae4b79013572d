//! Which issue waits for which: the dependency graph, kept up to date change by change.
//!
//! Owns the edges (each told by its dependant's record, by its blocker's, or by both), the count of open
//! blockers of every issue, and the cycles. Promises that a change costs what it changes, not the size of the
//! graph, and names every issue whose answer it changed. An issue that was never seen, or whose state is not
//! known, blocks; only closed ones free. Knows nothing of tasks and never judges the issue's own state.

mod cycles;
#[cfg(test)]
mod naive;
mod net;
mod order;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use net::{Ix, Net, Node, Touched};

/// What the graph knows of an issue's own state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeState {
    /// Open: blocks.
    Open,
    /// Closed: blocks nobody and is in no cycle.
    Closed,
    /// Never seen or not to be had: blocks.
    #[default]
    Unknown,
}

/// The issues whose answers a change altered, whatever their own state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes<K> {
    /// Were not free and now are.
    pub freed: BTreeSet<K>,
    /// Were free and no longer are.
    pub blocked: BTreeSet<K>,
    /// Are in another cycle than before, in one for the first time, or in none any more.
    pub cycle_changed: BTreeSet<K>,
}

impl<K: Ord> Default for Changes<K> {
    fn default() -> Self {
        Self { freed: BTreeSet::new(), blocked: BTreeSet::new(), cycle_changed: BTreeSet::new() }
    }
}

impl<K: Ord> Changes<K> {
    /// Whether nobody's answer changed.
    pub fn is_empty(&self) -> bool {
        self.freed.is_empty() && self.blocked.is_empty() && self.cycle_changed.is_empty()
    }
}

/// The dependency graph of issues named by `K`.
///
/// An issue that it was never told of has no blockers, no dependants and the state [`NodeState::Unknown`].
#[derive(Clone, Debug)]
pub struct Graph<K> {
    index: BTreeMap<K, Ix>,
    keys: Vec<Option<K>>,
    vacant: Vec<Ix>,
    net: Net,
}

impl<K: Ord> Default for Graph<K> {
    fn default() -> Self {
        Self { index: BTreeMap::new(), keys: Vec::new(), vacant: Vec::new(), net: Net::default() }
    }
}

impl<K: Ord + Clone> Graph<K> {
    /// A graph of no issues.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the blockers that `issue`'s own record tells, and how many more the forge hides.
    pub fn set_blockers(&mut self, issue: K, blockers: BTreeSet<K>, hidden: usize) -> Changes<K> {
        let mut touched = Touched::default();
        let ix = self.intern(issue);
        let told = self.intern_all(blockers);
        self.net.set_hidden(ix, hidden, &mut touched);
        self.net.tell_blockers(ix, told, &mut touched);
        self.finish(touched)
    }

    /// Replaces the dependants that `issue`'s own record tells: those it blocks.
    pub fn set_blocks(&mut self, issue: K, blocked: BTreeSet<K>) -> Changes<K> {
        let mut touched = Touched::default();
        let ix = self.intern(issue);
        let told = self.intern_all(blocked);
        touched.loosened.insert(ix);
        self.net.tell_blocks(ix, told, &mut touched);
        self.finish(touched)
    }

    /// Says whether `issue` is open.
    pub fn set_state(&mut self, issue: K, state: NodeState) -> Changes<K> {
        let mut touched = Touched::default();
        let ix = self.intern(issue);
        self.net.set_state(ix, state, &mut touched);
        self.finish(touched)
    }

    /// Forgets `issue`'s record and state; those that others' records tie to it wait for it as unknown.
    pub fn remove(&mut self, issue: &K) -> Changes<K> {
        let mut touched = Touched::default();
        if let Some(&ix) = self.index.get(issue) {
            self.net.set_hidden(ix, 0, &mut touched);
            self.net.tell_blockers(ix, Vec::new(), &mut touched);
            self.net.tell_blocks(ix, Vec::new(), &mut touched);
            self.net.set_state(ix, NodeState::Unknown, &mut touched);
        }
        self.finish(touched)
    }

    /// The blockers of `issue` that are not closed, ascending; hidden ones are only counted.
    pub fn open_blockers(&self, issue: &K) -> Vec<K> {
        let Some(node) = self.node(issue) else { return Vec::new() };
        self.keys_of(node.blockers.iter().filter(|&&ix| self.net.node(ix).is_active()))
    }

    /// How many blockers of `issue` the forge hides.
    pub fn hidden(&self, issue: &K) -> usize {
        self.node(issue).map_or(0, |node| node.hidden)
    }

    /// Whether `issue` has no open, unknown or hidden blocker; so it is in no cycle either.
    pub fn is_free(&self, issue: &K) -> bool {
        self.node(issue).is_none_or(Node::is_free)
    }

    /// What was last said of `issue`'s own state.
    pub fn state(&self, issue: &K) -> NodeState {
        self.node(issue).map_or(NodeState::Unknown, |node| node.state)
    }

    /// All members, ascending, of the cycle that `issue` is in: the issues that wait for each other, among those
    /// not closed. An issue that blocks itself may be the only member.
    pub fn cycle_of(&self, issue: &K) -> Option<Vec<K>> {
        let cycle = self.node(issue)?.cycle.as_ref()?;
        Some(self.keys_of(cycle.iter()))
    }

    /// The issues that `issue` blocks or, once closed, has blocked, ascending.
    pub fn dependants(&self, issue: &K) -> Vec<K> {
        self.node(issue).map_or_else(Vec::new, |node| self.keys_of(node.dependants.iter()))
    }

    fn node(&self, issue: &K) -> Option<&Node> {
        self.index.get(issue).map(|&ix| self.net.node(ix))
    }

    fn key(&self, ix: Ix) -> &K {
        self.keys[ix as usize].as_ref().expect("an index in use has its key")
    }

    fn keys_of<'a>(&self, all: impl Iterator<Item = &'a Ix>) -> Vec<K> {
        let mut keys: Vec<K> = all.map(|&ix| self.key(ix).clone()).collect();
        keys.sort_unstable();
        keys
    }

    fn intern(&mut self, issue: K) -> Ix {
        if let Some(&ix) = self.index.get(&issue) {
            return ix;
        }
        let ix = match self.vacant.pop() {
            Some(ix) => {
                self.net.order.move_to_end(ix);
                ix
            }
            None => {
                self.keys.push(None);
                self.net.add()
            }
        };
        self.keys[ix as usize] = Some(issue.clone());
        self.index.insert(issue, ix);
        ix
    }

    fn intern_all(&mut self, issues: BTreeSet<K>) -> Vec<Ix> {
        let mut all: Vec<Ix> = issues.into_iter().map(|issue| self.intern(issue)).collect();
        all.sort_unstable();
        all
    }

    /// Compares the answers before and after, and lets go of issues of which nothing is known any more.
    fn finish(&mut self, touched: Touched) -> Changes<K> {
        let mut changes = Changes::default();
        for (ix, was_free) in touched.was_free {
            match (was_free, self.net.node(ix).is_free()) {
                (false, true) => changes.freed.insert(self.key(ix).clone()),
                (true, false) => changes.blocked.insert(self.key(ix).clone()),
                _ => false,
            };
        }
        for (ix, was) in touched.was_in_cycle {
            if !is_same_cycle(was.as_ref(), self.net.node(ix).cycle.as_ref()) {
                changes.cycle_changed.insert(self.key(ix).clone());
            }
        }
        for ix in touched.loosened {
            if self.net.node(ix).is_blank()
                && let Some(key) = self.keys[ix as usize].take()
            {
                self.index.remove(&key);
                self.vacant.push(ix);
            }
        }
        changes
    }
}

fn is_same_cycle(one: Option<&Arc<[Ix]>>, two: Option<&Arc<[Ix]>>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one == two,
        (None, None) => true,
        _ => false,
    }
}
