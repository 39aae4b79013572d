//! The graph by example, and held to a recomputed one after arbitrary changes.

use proptest::prelude::*;

use super::{naive::Naive, *};
use crate::domain::id::{IssueRef, RepoRef};

type Keys = BTreeSet<u8>;

fn keys<const N: usize>(all: [u8; N]) -> Keys {
    Keys::from(all)
}

fn changes<const A: usize, const B: usize, const C: usize>(
    freed: [u8; A],
    blocked: [u8; B],
    cycle_changed: [u8; C],
) -> Changes<u8> {
    Changes { freed: keys(freed), blocked: keys(blocked), cycle_changed: keys(cycle_changed) }
}

/// 1 ← 2 ← 3: each waits for the one before, all open.
fn chain() -> Graph<u8> {
    let mut graph = Graph::new();
    for issue in 1..=3 {
        graph.set_state(issue, NodeState::Open);
    }
    graph.set_blockers(2, keys([1]), 0);
    graph.set_blockers(3, keys([2]), 0);
    graph
}

#[test]
fn the_last_blocker_to_close_frees_the_issue() {
    let mut graph = chain();
    graph.set_blockers(3, keys([1, 2]), 0);
    assert_eq!(graph.open_blockers(&3), [1, 2]);
    assert_eq!(graph.set_state(1, NodeState::Closed), changes([2], [], []));
    assert_eq!(graph.set_state(2, NodeState::Closed), changes([3], [], []));
    assert!(graph.is_free(&3) && graph.open_blockers(&3).is_empty());
    assert_eq!(graph.set_state(1, NodeState::Open), changes([], [2, 3], []));
}

#[test]
fn a_blocker_that_was_never_seen_blocks() {
    let mut graph = Graph::new();
    assert_eq!(graph.set_blockers(1, keys([9]), 0), changes([], [1], []));
    assert_eq!((graph.open_blockers(&1), graph.state(&9)), (vec![9], NodeState::Unknown));
    assert!(graph.set_state(9, NodeState::Open).is_empty());
    assert_eq!(graph.set_state(9, NodeState::Closed), changes([1], [], []));
    assert_eq!(graph.set_state(9, NodeState::Unknown), changes([], [1], []));
}

#[test]
fn hidden_blockers_block_until_they_are_gone() {
    let mut graph = Graph::new();
    assert_eq!(graph.set_blockers(1, keys([]), 2), changes([], [1], []));
    assert_eq!((graph.hidden(&1), graph.is_free(&1)), (2, false));
    assert!(graph.set_blockers(1, keys([]), 1).is_empty());
    assert_eq!(graph.set_blockers(1, keys([]), 0), changes([1], [], []));
}

#[test]
fn an_edge_holds_while_either_side_tells_it() {
    let mut graph = chain();
    assert!(graph.set_blocks(1, keys([2]),).is_empty());
    assert!(graph.set_blockers(2, keys([]), 0).is_empty());
    assert_eq!((graph.open_blockers(&2), graph.dependants(&1)), (vec![1], vec![2]));
    assert_eq!(graph.set_blocks(1, keys([])), changes([2], [], []));
    assert!(graph.dependants(&1).is_empty());
}

#[test]
fn an_issue_forgotten_blocks_those_that_still_name_it() {
    let mut graph = chain();
    graph.set_state(2, NodeState::Closed);
    assert_eq!(graph.remove(&2), changes([2], [3], []));
    assert_eq!((graph.open_blockers(&3), graph.state(&2)), (vec![2], NodeState::Unknown));
    assert!(graph.dependants(&1).is_empty());
    assert!(graph.remove(&77).is_empty());
}

#[test]
fn what_nothing_is_known_of_takes_no_room() {
    let mut graph = Graph::new();
    for round in 0..100 {
        graph.set_blockers(round, keys([round + 100]), 0);
        graph.set_state(round + 100, NodeState::Closed);
        graph.remove(&round);
        graph.remove(&(round + 100));
    }
    assert!(graph.index.is_empty());
    assert_eq!(graph.keys.len(), 2);
}

#[test]
fn a_cycle_names_all_its_members_until_it_is_broken() {
    let mut graph = chain();
    assert_eq!(graph.set_blockers(1, keys([3]), 0), changes([], [1], [1, 2, 3]));
    for issue in 1..=3 {
        assert_eq!(graph.cycle_of(&issue), Some(vec![1, 2, 3]));
        assert!(!graph.is_free(&issue));
    }
    assert_eq!(graph.set_blockers(3, keys([]), 0), changes([3], [], [1, 2, 3]));
    assert_eq!(graph.cycle_of(&1), None);
}

#[test]
fn closing_a_member_breaks_a_cycle_and_reopening_makes_it_again() {
    let mut graph = chain();
    graph.set_blockers(1, keys([3]), 0);
    assert_eq!(graph.set_state(2, NodeState::Closed), changes([3], [], [1, 2, 3]));
    assert_eq!(graph.cycle_of(&3), None);
    assert_eq!(graph.set_state(2, NodeState::Unknown), changes([], [3], [1, 2, 3]));
    assert_eq!(graph.cycle_of(&3), Some(vec![1, 2, 3]));
}

#[test]
fn an_issue_that_blocks_itself_is_a_cycle_of_one() {
    let mut graph = Graph::new();
    assert_eq!(graph.set_blockers(5, keys([5]), 0), changes([], [5], [5]));
    assert_eq!((graph.cycle_of(&5), graph.open_blockers(&5)), (Some(vec![5]), vec![5]));
    assert_eq!(graph.set_state(5, NodeState::Closed), changes([5], [], [5]));
    assert_eq!(graph.set_state(5, NodeState::Open), changes([], [5], [5]));
    assert_eq!(graph.set_blockers(5, keys([]), 0), changes([5], [], [5]));
}

#[test]
fn a_change_elsewhere_in_a_cycle_that_holds_is_no_change_of_it() {
    let mut graph = chain();
    graph.set_blockers(1, keys([3]), 0);
    graph.set_blockers(3, keys([1, 2]), 0);
    assert!(graph.set_blockers(3, keys([2]), 0).is_empty());
    assert_eq!(graph.set_blockers(4, keys([1]), 0), changes([], [4], []));
}

#[test]
fn one_change_may_break_a_cycle_and_make_another() {
    let mut graph = chain();
    graph.set_blockers(1, keys([3]), 0);
    assert_eq!(graph.set_blockers(1, keys([2]), 0), changes([], [], [1, 2, 3]));
    assert_eq!((graph.cycle_of(&1), graph.cycle_of(&3)), (Some(vec![1, 2]), None));
}

#[test]
fn a_cycle_may_cross_repositories() {
    let issue = |text: &str| text.parse::<IssueRef>().unwrap();
    let mut graph = Graph::new();
    graph.set_blockers(issue("acme/app#1"), BTreeSet::from([issue("acme/lib#1")]), 0);
    graph.set_blockers(
        issue("ACME/Lib#1"),
        BTreeSet::from([IssueRef::new(RepoRef::new("acme", "app"), 1)]),
        0,
    );
    assert_eq!(graph.cycle_of(&issue("acme/app#1")), Some(vec![issue("acme/app#1"), issue("acme/lib#1")]));
}

#[test]
fn a_cycle_deeper_than_any_stack_is_made_and_broken() {
    const LENGTH: u32 = 200_000;
    let mut graph = Graph::new();
    for issue in 1..LENGTH {
        graph.set_blockers(issue, BTreeSet::from([issue - 1]), 0);
    }
    assert_eq!(graph.set_blockers(0, BTreeSet::from([LENGTH - 1]), 0).cycle_changed.len(), LENGTH as usize);
    assert_eq!(graph.set_state(LENGTH / 2, NodeState::Closed).cycle_changed.len(), LENGTH as usize);
    assert_eq!(graph.cycle_of(&0), None);
}

#[derive(Clone, Debug)]
enum Change {
    Blockers(u8, Keys, usize),
    Blocks(u8, Keys),
    State(u8, NodeState),
    Remove(u8),
}

fn change(issues: u8, most: usize) -> impl Strategy<Value = Change> {
    let state = prop_oneof![Just(NodeState::Open), Just(NodeState::Closed), Just(NodeState::Unknown)];
    let some = move || prop::collection::btree_set(0..issues, 0..=most);
    let hidden = prop_oneof![9 => Just(0_usize), 1 => 1..3_usize];
    prop_oneof![
        4 => (0..issues, some(), hidden).prop_map(|(issue, all, hidden)| Change::Blockers(issue, all, hidden)),
        3 => (0..issues, some()).prop_map(|(issue, all)| Change::Blocks(issue, all)),
        4 => (0..issues, state).prop_map(|(issue, state)| Change::State(issue, state)),
        1 => (0..issues).prop_map(Change::Remove),
    ]
}

fn agree_after_each(changes: Vec<Change>, issues: u8) {
    let mut graph = Graph::new();
    let mut naive = Naive::default();
    let mut before = naive.answers(0..issues);
    for change in changes {
        let told = match change.clone() {
            Change::Blockers(issue, blockers, hidden) => {
                naive.set_blockers(issue, blockers.clone(), hidden);
                graph.set_blockers(issue, blockers, hidden)
            }
            Change::Blocks(issue, blocked) => {
                naive.set_blocks(issue, blocked.clone());
                graph.set_blocks(issue, blocked)
            }
            Change::State(issue, state) => {
                naive.set_state(issue, state);
                graph.set_state(issue, state)
            }
            Change::Remove(issue) => {
                naive.remove(&issue);
                graph.remove(&issue)
            }
        };
        let now = naive.answers(0..issues);
        for (issue, answer) in &now {
            assert_eq!(&graph.open_blockers(issue), &answer.open_blockers, "{issue} after {change:?}");
            assert_eq!(&graph.dependants(issue), &answer.dependants, "{issue} after {change:?}");
            assert_eq!(&graph.cycle_of(issue), &answer.cycle, "{issue} after {change:?}");
            assert_eq!(graph.hidden(issue), answer.hidden, "{issue} after {change:?}");
            assert_eq!(graph.is_free(issue), answer.is_free(), "{issue} after {change:?}");
        }
        assert_eq!(told, naive::changes(&before, &now), "{change:?}");
        graph.net.check();
        before = now;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_change_leaves_the_graph_as_if_recomputed(changes in prop::collection::vec(change(8, 3), 1..80)) {
        agree_after_each(changes, 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn changes_of_a_sparse_graph_leave_it_as_if_recomputed(
        changes in prop::collection::vec(change(24, 2), 1..120),
    ) {
        agree_after_each(changes, 24);
    }
}

impl Net {
    /// Every active edge between components agrees with the order, and every count with the edges.
    fn check(&self) {
        for (at, node) in self.nodes.iter().enumerate() {
            let active = |ix: &&Ix| self.node(**ix).is_active();
            assert_eq!(node.open_blockers, node.blockers.iter().filter(active).count());
            assert!(node.cycle.is_none() || node.is_active());
            let ix = Ix::try_from(at).unwrap();
            for &blocker in node.blockers.iter().filter(active) {
                let (upper, lower) = (self.head(blocker), self.head(ix));
                if node.is_active() && upper != lower {
                    assert!(self.order.rank(upper) < self.order.rank(lower), "{blocker} before {ix}");
                }
            }
        }
    }
}
