//! What a change of the dependency graph costs, and how little that depends on the graph's size.
//!
//! Prints nanoseconds per change at 1,000, 10,000 and 100,000 issues, each with its ratio to the smallest
//! size, and a rescan of all issues as the yardstick. Each issue has up to three blockers: among all earlier
//! ones (`wide`) or the last hundred (`deep`: long chains).

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    time::Instant,
};

use mosaic_coordinator::domain::graph::{Graph, NodeState};

const SIZES: [u64; 3] = [1_000, 10_000, 100_000];

/// Numbers that are the same in every run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The blockers of each issue, in the order of their numbers.
fn issues(count: u64, reach: u64) -> Vec<BTreeSet<u64>> {
    let mut random = Lcg(count);
    let blockers = |issue: u64| {
        let reach = reach.min(issue);
        (0..random.below(4).min(reach)).map(|_| issue - 1 - random.below(reach)).collect()
    };
    (0..count).map(blockers).collect()
}

fn shuffled(count: u64) -> Vec<u64> {
    let mut random = Lcg(7);
    let mut order: Vec<u64> = (0..count).collect();
    for at in (1..count).rev() {
        order.swap(at as usize, random.below(at + 1) as usize);
    }
    order
}

fn built(issues: &[BTreeSet<u64>], order: impl Iterator<Item = u64>) -> Graph<u64> {
    let mut graph = Graph::new();
    for issue in order {
        graph.set_state(issue, NodeState::Open);
        graph.set_blockers(issue, issues[issue as usize].clone(), 0);
    }
    graph
}

/// Nanoseconds that each of `count` changes took.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn ns_each<T>(count: u64, work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let made = work();
    let taken = start.elapsed().as_nanos() as f64 / count as f64;
    drop(black_box(made));
    taken
}

fn report(what: &str, cost: impl Fn(u64) -> f64) {
    let costs = SIZES.map(cost);
    let columns: Vec<String> = SIZES
        .iter()
        .zip(costs)
        .map(|(size, cost)| format!("{size:>7}: {cost:>11.0} ns (x{:.1})", cost / costs[0]))
        .collect();
    println!("{what:<34} {}", columns.join("  "));
}

/// What a completion costs where every issue is looked at again: over the first few of them.
fn rescan(issues: &[BTreeSet<u64>]) -> f64 {
    let rounds = 20;
    let mut is_closed = vec![false; issues.len()];
    ns_each(rounds, || {
        for closed in 0..rounds as usize {
            is_closed[closed] = true;
            let is_free = |blockers: &&BTreeSet<u64>| blockers.iter().all(|&ix| is_closed[ix as usize]);
            black_box(issues.iter().filter(is_free).count());
        }
    })
}

fn main() {
    for (shape, reach) in [("wide", u64::MAX), ("deep", 100)] {
        report(&format!("completion, {shape}"), |size| {
            let mut graph = built(&issues(size, reach), 0..size);
            ns_each(size, || {
                let freed: usize =
                    (0..size).map(|issue| graph.set_state(issue, NodeState::Closed).freed.len()).sum();
                (freed, graph)
            })
        });
        report(&format!("completion by rescan, {shape}"), |size| rescan(&issues(size, reach)));
        report(&format!("insert in order, {shape}"), |size| {
            let issues = issues(size, reach);
            ns_each(size, || built(&issues, 0..size))
        });
        report(&format!("insert backwards, {shape}"), |size| {
            let issues = issues(size, reach);
            ns_each(size, || built(&issues, (0..size).rev()))
        });
        report(&format!("insert shuffled, {shape}"), |size| {
            let issues = issues(size, reach);
            ns_each(size, || built(&issues, shuffled(size).into_iter()))
        });
        report(&format!("reopen and close, {shape}"), |size| {
            let mut graph = built(&issues(size, reach), 0..size);
            let picked: Vec<u64> = shuffled(size).into_iter().take(500).collect();
            ns_each(1_000, || {
                for &issue in &picked {
                    graph.set_state(issue, NodeState::Closed);
                    graph.set_state(issue, NodeState::Open);
                }
                graph
            })
        });
        report(&format!("cycle made and broken, {shape}"), |size| {
            let issues = issues(size, reach);
            let mut graph = built(&issues, 0..size);
            let linked: Vec<u64> =
                (size / 2..size).filter(|&ix| !issues[ix as usize].is_empty()).take(200).collect();
            ns_each(400, || {
                for &issue in &linked {
                    let blocker = issues[issue as usize].iter().next().copied().unwrap_or_default();
                    let before = issues[blocker as usize].clone();
                    let mut after = before.clone();
                    after.insert(issue);
                    graph.set_blockers(blocker, after, 0);
                    graph.set_blockers(blocker, before, 0);
                }
                graph
            })
        });
    }
    report("yardstick: insert into a map", |size| {
        ns_each(size, || shuffled(size).into_iter().map(|issue| (issue, issue)).collect::<BTreeMap<_, _>>())
    });
}
