//! The graph over plain indices: edges by who tells them, states, counts of open blockers.
//!
//! Owns when an edge exists and what a change touches. An edge exists while its dependant or its blocker tells
//! it; it is active while neither end is closed. Cycles among active edges are kept by `cycles`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{NodeState, order::Order};

/// Index of a node; reused once its issue is forgotten.
pub(super) type Ix = u32;

/// One issue's record and what follows from all records.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) state: NodeState,
    pub(super) hidden: usize,
    /// Blockers that this issue's own record tells, ascending.
    pub(super) told_blockers: Vec<Ix>,
    /// Dependants that this issue's own record tells, ascending.
    pub(super) told_blocks: Vec<Ix>,
    /// Blockers by whoever tells them.
    pub(super) blockers: BTreeSet<Ix>,
    /// Dependants by whoever tells them.
    pub(super) dependants: BTreeSet<Ix>,
    /// How many of `blockers` are not closed.
    pub(super) open_blockers: usize,
    /// Members, ascending, of the cycle that this issue is in.
    pub(super) cycle: Option<Arc<[Ix]>>,
}

impl Node {
    pub(super) const NEW: Self = Self {
        state: NodeState::Unknown,
        hidden: 0,
        told_blockers: Vec::new(),
        told_blocks: Vec::new(),
        blockers: BTreeSet::new(),
        dependants: BTreeSet::new(),
        open_blockers: 0,
        cycle: None,
    };

    pub(super) fn is_active(&self) -> bool {
        self.state != NodeState::Closed
    }

    /// A member of a cycle has an open blocker, so cycles need no look of their own.
    pub(super) fn is_free(&self) -> bool {
        self.open_blockers == 0 && self.hidden == 0
    }

    /// Whether nothing at all is known of it: then it need not be kept.
    pub(super) fn is_blank(&self) -> bool {
        self.state == NodeState::Unknown
            && self.hidden == 0
            && self.blockers.is_empty()
            && self.dependants.is_empty()
    }
}

/// What one change touched: the answers from before it, by node.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) was_free: BTreeMap<Ix, bool>,
    pub(super) was_in_cycle: BTreeMap<Ix, Option<Arc<[Ix]>>>,
    /// Nodes that may have become blank.
    pub(super) loosened: BTreeSet<Ix>,
}

/// Nodes, their edges, and a topological order of the cycles and the nodes outside of cycles.
#[derive(Clone, Debug, Default)]
pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) order: Order,
}

impl Net {
    pub(super) fn node(&self, ix: Ix) -> &Node {
        &self.nodes[ix as usize]
    }

    pub(super) fn node_mut(&mut self, ix: Ix) -> &mut Node {
        &mut self.nodes[ix as usize]
    }

    /// Adds a node at the end of the order.
    pub(super) fn add(&mut self) -> Ix {
        let ix = Ix::try_from(self.nodes.len()).expect("2^32 issues do not fit into memory");
        self.nodes.push(Node::NEW);
        self.order.append(ix);
        ix
    }

    pub(super) fn set_hidden(&mut self, ix: Ix, hidden: usize, touched: &mut Touched) {
        self.note_free(ix, touched);
        self.node_mut(ix).hidden = hidden;
        touched.loosened.insert(ix);
    }

    /// Replaces the blockers that `dependant`'s record tells, ascending.
    pub(super) fn tell_blockers(&mut self, dependant: Ix, told: Vec<Ix>, touched: &mut Touched) {
        let before = std::mem::replace(&mut self.node_mut(dependant).told_blockers, told.clone());
        let gone = before.iter().filter(|ix| told.binary_search(ix).is_err()).map(|&ix| (ix, dependant));
        let come = told.iter().filter(|ix| before.binary_search(ix).is_err()).map(|&ix| (ix, dependant));
        self.change_edges(gone, come, touched);
    }

    /// Replaces the dependants that `blocker`'s record tells, ascending.
    pub(super) fn tell_blocks(&mut self, blocker: Ix, told: Vec<Ix>, touched: &mut Touched) {
        let before = std::mem::replace(&mut self.node_mut(blocker).told_blocks, told.clone());
        let gone = before.iter().filter(|ix| told.binary_search(ix).is_err()).map(|&ix| (blocker, ix));
        let come = told.iter().filter(|ix| before.binary_search(ix).is_err()).map(|&ix| (blocker, ix));
        self.change_edges(gone, come, touched);
    }

    pub(super) fn set_state(&mut self, ix: Ix, state: NodeState, touched: &mut Touched) {
        let was_active = self.node(ix).is_active();
        self.node_mut(ix).state = state;
        touched.loosened.insert(ix);
        let is_active = self.node(ix).is_active();
        if was_active == is_active {
            return;
        }
        let dependants: Vec<Ix> = self.node(ix).dependants.iter().copied().collect();
        for dependant in dependants {
            self.count_blocker(dependant, is_active, touched);
        }
        if is_active {
            self.enter(ix, touched);
        } else {
            self.leave(ix, touched);
        }
    }

    /// Drops the edges `gone` that nobody tells any more and adds those of `come` that are new.
    fn change_edges(
        &mut self,
        gone: impl Iterator<Item = (Ix, Ix)>,
        come: impl Iterator<Item = (Ix, Ix)>,
        touched: &mut Touched,
    ) {
        let mut loosened_cycles: BTreeMap<Ix, Arc<[Ix]>> = BTreeMap::new();
        for (blocker, dependant) in
            gone.filter(|&(blocker, dependant)| !self.is_told(blocker, dependant)).collect::<Vec<_>>()
        {
            self.node_mut(dependant).blockers.remove(&blocker);
            self.node_mut(blocker).dependants.remove(&dependant);
            touched.loosened.extend([blocker, dependant]);
            if !self.node(blocker).is_active() {
                continue;
            }
            self.count_blocker(dependant, false, touched);
            if let Some(cycle) = self.shared_cycle(blocker, dependant) {
                loosened_cycles.insert(cycle[0], cycle);
            }
        }
        for cycle in loosened_cycles.into_values() {
            self.split(&cycle, touched);
        }
        for (blocker, dependant) in come {
            if !self.node_mut(dependant).blockers.insert(blocker) {
                continue;
            }
            self.node_mut(blocker).dependants.insert(dependant);
            if !self.node(blocker).is_active() {
                continue;
            }
            self.count_blocker(dependant, true, touched);
            if self.node(dependant).is_active() {
                self.link(blocker, dependant, touched);
            }
        }
    }

    fn is_told(&self, blocker: Ix, dependant: Ix) -> bool {
        self.node(dependant).told_blockers.binary_search(&blocker).is_ok()
            || self.node(blocker).told_blocks.binary_search(&dependant).is_ok()
    }

    fn count_blocker(&mut self, dependant: Ix, more: bool, touched: &mut Touched) {
        self.note_free(dependant, touched);
        let count = &mut self.node_mut(dependant).open_blockers;
        *count = if more { *count + 1 } else { *count - 1 };
    }

    fn note_free(&self, ix: Ix, touched: &mut Touched) {
        touched.was_free.entry(ix).or_insert_with(|| self.node(ix).is_free());
    }
}
