//! Cycles, kept up to date edge by edge.
//!
//! Owns the strongly connected components of the active edges and a topological order of them, in which each
//! component stands where its least member (its head) does. A new edge that agrees with the order costs
//! nothing; one that does not is searched from both ends in turn, within the part of the order that it spans,
//! until the smaller side is exhausted and moved past the other end. A removed edge or a closed issue has only
//! its own component looked at again.

use std::{
    collections::{BTreeSet, btree_set},
    slice,
    sync::Arc,
};

use super::net::{Ix, Net, Touched};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From the edge's dependant towards dependants.
    Down,
    /// From the edge's blocker towards blockers.
    Up,
}

/// A search over components from one end of a new edge, no further than the rank of the other end.
struct Search {
    direction: Direction,
    goal: Ix,
    seen: BTreeSet<Ix>,
    waiting: Vec<Ix>,
}

impl Search {
    fn new(direction: Direction, start: Ix, goal: Ix) -> Self {
        Self { direction, goal, seen: BTreeSet::from([start]), waiting: vec![start] }
    }

    fn is_exhausted(&self) -> bool {
        self.waiting.is_empty()
    }

    fn met_goal(&self) -> bool {
        self.seen.contains(&self.goal)
    }

    /// Looks at the neighbours of one more component; never at those of the goal, which lie outside.
    fn step(&mut self, net: &Net) {
        let Some(head) = self.waiting.pop() else { return };
        let limit = net.order.rank(self.goal);
        for &member in net.members(&head) {
            let neighbours = match self.direction {
                Direction::Down => &net.node(member).dependants,
                Direction::Up => &net.node(member).blockers,
            };
            for &neighbour in neighbours.iter().filter(|&&ix| net.node(ix).is_active()) {
                let next = net.head(neighbour);
                let is_within = match self.direction {
                    Direction::Down => net.order.rank(next) <= limit,
                    Direction::Up => net.order.rank(next) >= limit,
                };
                if is_within && self.seen.insert(next) && next != self.goal {
                    self.waiting.push(next);
                }
            }
        }
    }

    /// The heads seen, by rank, without those in `other`.
    fn ranked_without(&self, other: &BTreeSet<Ix>, net: &Net) -> Vec<Ix> {
        let mut heads: Vec<Ix> = self.seen.difference(other).copied().collect();
        heads.sort_by_key(|&head| net.order.rank(head));
        heads
    }
}

impl Net {
    /// The node whose place in the order is that of the component of `ix`.
    pub(super) fn head(&self, ix: Ix) -> Ix {
        self.node(ix).cycle.as_ref().map_or(ix, |members| members[0])
    }

    fn members<'a>(&'a self, head: &'a Ix) -> &'a [Ix] {
        self.node(*head).cycle.as_deref().unwrap_or(slice::from_ref(head))
    }

    /// The cycle that both ends of an edge are in.
    pub(super) fn shared_cycle(&self, blocker: Ix, dependant: Ix) -> Option<Arc<[Ix]>> {
        let cycle = self.node(blocker).cycle.as_ref()?;
        (self.head(dependant) == cycle[0]).then(|| Arc::clone(cycle))
    }

    /// Takes in the active edge from `blocker` to `dependant`, which is already among the edges.
    pub(super) fn link(&mut self, blocker: Ix, dependant: Ix, touched: &mut Touched) {
        let (upper, lower) = (self.head(blocker), self.head(dependant));
        if upper == lower {
            if self.node(blocker).cycle.is_none() {
                self.set_cycle(&[blocker], Some(Arc::from([blocker])), touched);
            }
            return;
        }
        if self.order.rank(upper) < self.order.rank(lower) {
            return;
        }
        let mut up = Search::new(Direction::Up, upper, lower);
        let mut down = Search::new(Direction::Down, lower, upper);
        while !up.is_exhausted() && !down.is_exhausted() {
            up.step(self);
            if !up.is_exhausted() {
                down.step(self);
            }
        }
        if if up.is_exhausted() { up.met_goal() } else { down.met_goal() } {
            self.merge(up, down, touched);
        } else if up.is_exhausted() {
            for head in up.ranked_without(&BTreeSet::new(), self) {
                self.order.move_before(head, lower);
            }
        } else {
            for head in down.ranked_without(&BTreeSet::new(), self).into_iter().rev() {
                self.order.move_after(head, upper);
            }
        }
    }

    /// Makes one component of all that lies on a way from the edge's dependant to its blocker.
    fn merge(&mut self, mut up: Search, mut down: Search, touched: &mut Touched) {
        while !up.is_exhausted() {
            up.step(self);
        }
        while !down.is_exhausted() {
            down.step(self);
        }
        let below = down.ranked_without(&up.seen, self);
        let joined = up.seen.intersection(&down.seen);
        let mut members: Vec<Ix> = joined.flat_map(|head| self.members(head)).copied().collect();
        members.sort_unstable();
        let head = members[0];
        self.order.move_after(head, down.goal);
        for other in below.into_iter().rev() {
            self.order.move_after(other, head);
        }
        self.set_cycle(&members, Some(Arc::from(members.as_slice())), touched);
    }

    /// Takes in all edges of `ix`, which has just become active.
    pub(super) fn enter(&mut self, ix: Ix, touched: &mut Touched) {
        let active = |other: &&Ix| **other != ix && self.node(**other).is_active();
        let rank = |head: &Ix| self.order.rank(*head);
        let blockers = self.node(ix).blockers.iter().filter(active).map(|&other| self.head(other));
        let mut dependants = self.node(ix).dependants.iter().filter(active).map(|&other| self.head(other));
        if let Some(last) = blockers.max_by_key(rank) {
            self.order.move_after(ix, last);
        } else if let Some(first) = dependants.by_ref().min_by_key(rank) {
            self.order.move_before(ix, first);
        }
        // Blockers agree with the place taken. An edge not yet linked starts at `ix`, whose component is the
        // goal of every search down from here, so that no search follows it too early.
        let dependants: Vec<Ix> =
            self.node(ix).dependants.iter().copied().filter(|&other| self.node(other).is_active()).collect();
        for dependant in dependants {
            self.link(ix, dependant, touched);
        }
    }

    /// Takes out all edges of `ix`, which has just been closed.
    pub(super) fn leave(&mut self, ix: Ix, touched: &mut Touched) {
        if let Some(cycle) = self.node(ix).cycle.clone() {
            self.set_cycle(&[ix], None, touched);
            self.split(&cycle, touched);
        }
    }

    /// Looks again at a component that has lost an edge or a member, and breaks it up where it falls apart.
    pub(super) fn split(&mut self, cycle: &Arc<[Ix]>, touched: &mut Touched) {
        let members: Vec<Ix> = cycle.iter().copied().filter(|&ix| self.node(ix).is_active()).collect();
        let old_head = cycle[0];
        let mut front = None;
        for component in self.components(&members) {
            let head = component[0];
            match front {
                _ if head == old_head => front = Some(head),
                Some(first) => {
                    self.order.move_before(head, first);
                    front = Some(head);
                }
                None => self.order.move_after(head, old_head),
            }
            let is_cycle = component.len() > 1 || self.node(head).dependants.contains(&head);
            if component.len() == cycle.len() && is_cycle {
                return;
            }
            self.set_cycle(&component, is_cycle.then(|| Arc::from(component.as_slice())), touched);
        }
    }

    fn set_cycle(&mut self, members: &[Ix], cycle: Option<Arc<[Ix]>>, touched: &mut Touched) {
        for &ix in members {
            let before = std::mem::replace(&mut self.node_mut(ix).cycle, cycle.clone());
            touched.was_in_cycle.entry(ix).or_insert(before);
        }
    }

    /// The strongly connected components among `members` (ascending), dependants first, each ascending.
    ///
    /// Tarjan's algorithm with a stack of its own: chains may be far deeper than a thread's stack.
    fn components(&self, members: &[Ix]) -> Vec<Vec<Ix>> {
        const UNSEEN: usize = usize::MAX;
        const DONE: usize = usize::MAX - 1;
        let mut found = Vec::new();
        let mut lowest = vec![UNSEEN; members.len()];
        let mut open: Vec<usize> = Vec::new();
        let mut seen = 0;
        for start in 0..members.len() {
            if lowest[start] != UNSEEN {
                continue;
            }
            let mut path: Vec<(usize, usize, btree_set::Iter<'_, Ix>)> = Vec::new();
            let mut next = Some(start);
            loop {
                if let Some(at) = next.take() {
                    lowest[at] = seen;
                    open.push(at);
                    path.push((at, seen, self.node(members[at]).dependants.iter()));
                    seen += 1;
                }
                let Some((at, number, dependants)) = path.last_mut() else { break };
                let (at, number) = (*at, *number);
                if let Some(dependant) = dependants.next() {
                    match members.binary_search(dependant) {
                        Ok(to) if lowest[to] == UNSEEN => next = Some(to),
                        Ok(to) if lowest[to] != DONE => lowest[at] = lowest[at].min(lowest[to]),
                        _ => {}
                    }
                    continue;
                }
                path.pop();
                if let Some((parent, _, _)) = path.last() {
                    lowest[*parent] = lowest[*parent].min(lowest[at]);
                }
                if lowest[at] == number {
                    let first = open.iter().rposition(|&ix| ix == at).expect("a root is still open");
                    let mut component: Vec<Ix> = open.drain(first..).map(|ix| members[ix]).collect();
                    component.sort_unstable();
                    found.push(component);
                    // Marked after the parent has taken its lowest: a closed component lowers nobody.
                    for ix in &found[found.len() - 1] {
                        if let Ok(at) = members.binary_search(ix) {
                            lowest[at] = DONE;
                        }
                    }
                }
            }
        }
        found
    }
}
