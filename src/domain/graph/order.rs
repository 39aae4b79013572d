//! A total order of nodes in which one can be moved next to another at (amortised) logarithmic cost.
//!
//! Owns the tags that tell which of two nodes stands before the other. A list of nodes carries ascending tags;
//! a node that is moved takes a tag between its neighbours', and where there is none left, the smallest
//! neighbourhood that is thin enough gets its tags spread anew.

use super::net::Ix;

/// Room left between nodes appended one after another.
const STRIDE: u64 = 1 << 32;
/// Tags lie below this.
const END: u64 = 1 << 63;

#[derive(Clone, Debug, Default)]
struct Place {
    tag: u64,
    before: Option<Ix>,
    after: Option<Ix>,
}

/// Nodes in order; each node that was ever appended has a place in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    places: Vec<Place>,
    first: Option<Ix>,
    last: Option<Ix>,
}

impl Order {
    /// Puts `node`, the next unused index, at the end.
    pub(super) fn append(&mut self, node: Ix) {
        debug_assert_eq!(node as usize, self.places.len());
        self.places.push(Place::default());
        self.insert_after(self.last, node);
    }

    /// The sort key of `node`; holds until the next move.
    pub(super) fn rank(&self, node: Ix) -> u64 {
        self.places[node as usize].tag
    }

    /// Moves `node` to the end.
    pub(super) fn move_to_end(&mut self, node: Ix) {
        self.take_out(node);
        self.insert_after(self.last, node);
    }

    /// Moves `node` to directly after `other`.
    pub(super) fn move_after(&mut self, node: Ix, other: Ix) {
        if node != other {
            self.take_out(node);
            self.insert_after(Some(other), node);
        }
    }

    /// Moves `node` to directly before `other`.
    pub(super) fn move_before(&mut self, node: Ix, other: Ix) {
        if node != other {
            self.take_out(node);
            self.insert_after(self.places[other as usize].before, node);
        }
    }

    fn take_out(&mut self, node: Ix) {
        let Place { before, after, .. } = self.places[node as usize];
        match before {
            Some(before) => self.places[before as usize].after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => self.places[after as usize].before = before,
            None => self.last = before,
        }
    }

    /// Links `node`, which is in no list, behind `before`, or to the front where that is `None`.
    fn insert_after(&mut self, before: Option<Ix>, node: Ix) {
        let after = before.map_or(self.first, |before| self.places[before as usize].after);
        if self.room(before, after) < 2
            && let Some(crowded) = before.or(after)
        {
            self.spread_around(crowded);
        }
        let low = before.map_or(0, |before| self.rank(before));
        let room = self.room(before, after);
        let step = if after.is_none() { STRIDE.min(room / 2) } else { room / 2 };
        self.places[node as usize] = Place { tag: low + step, before, after };
        match before {
            Some(before) => self.places[before as usize].after = Some(node),
            None => self.first = Some(node),
        }
        match after {
            Some(after) => self.places[after as usize].before = Some(node),
            None => self.last = Some(node),
        }
    }

    /// Distance of the tags of two neighbours.
    fn room(&self, before: Option<Ix>, after: Option<Ix>) -> u64 {
        let low = before.map_or(0, |before| self.rank(before));
        after.map_or(END, |after| self.rank(after)) - low
    }

    /// Spreads the tags of the smallest aligned range around `node` that holds few enough nodes for its size.
    fn spread_around(&mut self, node: Ix) {
        let tag = self.rank(node);
        let (mut first, mut last, mut count) = (node, node, 1_u64);
        for bits in 2..63_u32 {
            let start = tag >> bits << bits;
            let end = start + (1 << bits);
            while let Some(before) = self.places[first as usize].before.filter(|&ix| self.rank(ix) >= start) {
                first = before;
                count += 1;
            }
            while let Some(after) = self.places[last as usize].after.filter(|&ix| self.rank(ix) < end) {
                last = after;
                count += 1;
            }
            // A range of 2^bits may hold 2^(bits/2) nodes: what is spread has room for as many moves again.
            if count <= 1 << (bits / 2) && (1 << bits) / (count + 1) >= 2 {
                return self.spread(first, count, start, (1 << bits) / (count + 1));
            }
        }
        unreachable!("2^31 nodes do not fit into memory");
    }

    fn spread(&mut self, first: Ix, count: u64, start: u64, step: u64) {
        let mut next = Some(first);
        for position in 1..=count {
            let Some(node) = next else { return };
            self.places[node as usize].tag = start + position * step;
            next = self.places[node as usize].after;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Order {
        fn listed(&self) -> Vec<Ix> {
            let mut all = Vec::new();
            let mut next = self.first;
            while let Some(node) = next {
                all.push(node);
                next = self.places[node as usize].after;
            }
            all
        }

        fn check(&self) {
            let listed = self.listed();
            assert_eq!(listed.len(), self.places.len());
            for pair in listed.windows(2) {
                assert!(self.rank(pair[0]) < self.rank(pair[1]), "{pair:?}");
            }
            assert!(listed.iter().all(|&node| self.rank(node) < END));
        }
    }

    fn appended(count: Ix) -> Order {
        let mut order = Order::default();
        (0..count).for_each(|node| order.append(node));
        order
    }

    #[test]
    fn the_same_gap_takes_any_number_of_moves() {
        let mut order = appended(2_000);
        for node in 2..2_000 {
            order.move_after(node, 0);
            order.move_before(1_999 - node + 1, 1);
        }
        order.check();
    }

    #[test]
    fn the_front_takes_any_number_of_moves() {
        let mut order = appended(500);
        for round in 0..10 {
            for node in 0..500 {
                let first = order.listed()[0];
                order.move_before((node * 7 + round) % 500, first);
            }
        }
        order.check();
    }

    #[test]
    fn the_end_takes_any_number_of_moves() {
        let mut order = appended(3);
        order.places[2].tag = END - 2;
        for node in 0..1_000 {
            order.move_to_end(node % 3);
        }
        order.check();
    }

    proptest! {
        #[test]
        fn moves_do_what_they_do_in_a_plain_list(moves in prop::collection::vec((0..3_u8, 0..20_u32, 0..20_u32), 0..400)) {
            let mut order = appended(20);
            let mut plain: Vec<Ix> = (0..20).collect();
            for (kind, node, other) in moves {
                match kind {
                    0 => order.move_to_end(node),
                    1 => order.move_after(node, other),
                    _ => order.move_before(node, other),
                }
                if kind == 0 || node != other {
                    plain.retain(|&ix| ix != node);
                    let at = plain.iter().position(|&ix| ix == other).unwrap_or(0);
                    match kind {
                        0 => plain.push(node),
                        1 => plain.insert(at + 1, node),
                        _ => plain.insert(at, node),
                    }
                }
                order.check();
                prop_assert_eq!(order.listed(), plain.clone());
            }
        }
    }
}
