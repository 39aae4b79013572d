//! The dependency graph against the history of a real one: incremental state equals recomputed state.
//!
//! Dependencies of the types `blocks` and `blocked-by` block; `parent-child`, `related`, `discovered-from` and
//! the rest only relate, as in the project that the history is from. The second replay lets these block, too,
//! told by the other side, which makes the graph denser and full of cycles.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
};

use flate2::read::GzDecoder;
use mosaic_coordinator::domain::graph::{Changes, Graph, NodeState};
use serde::Deserialize;

/// Compared after each of the first events, then after every hundredth.
const CLOSELY: usize = 5_000;

#[derive(Deserialize)]
struct Event<'a> {
    e: &'a str,
    id: &'a str,
    #[serde(default)]
    s: &'a str,
    #[serde(default)]
    on: &'a str,
    #[serde(default)]
    t: Option<&'a str>,
}

fn trace() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/graphs/beads_trace.jsonl.gz");
    let mut text = String::new();
    let file = File::open(path).expect("the trace is part of the repository");
    GzDecoder::new(file).read_to_string(&mut text).expect("the trace is text");
    text
}

/// What one issue's own record tells.
#[derive(Default)]
struct Record<'a> {
    is_closed: bool,
    blockers: BTreeSet<&'a str>,
    blocks: BTreeSet<&'a str>,
}

/// All records, and what the graph and its changes said so far.
#[derive(Default)]
struct Replay<'a> {
    do_relations_block: bool,
    records: BTreeMap<&'a str, Record<'a>>,
    graph: Graph<&'a str>,
    blocked: BTreeSet<&'a str>,
    cyclic: BTreeSet<&'a str>,
    most_cyclic: usize,
}

impl<'a> Replay<'a> {
    fn take(&mut self, event: &Event<'a>) {
        let id = event.id;
        let changes = match event.e {
            "create" | "status" => {
                let is_closed = matches!(event.s, "closed" | "tombstone" | "done");
                self.records.entry(id).or_default().is_closed = is_closed;
                self.graph.set_state(id, if is_closed { NodeState::Closed } else { NodeState::Open })
            }
            "dep_add" | "dep_del" => {
                let is_added = event.e == "dep_add";
                if matches!(event.t, Some("blocks" | "blocked-by")) {
                    let record = self.records.entry(id).or_default();
                    change(&mut record.blockers, event.on, is_added);
                    self.graph.set_blockers(id, record.blockers.clone(), 0)
                } else if self.do_relations_block {
                    let record = self.records.entry(event.on).or_default();
                    change(&mut record.blocks, id, is_added);
                    self.graph.set_blocks(event.on, record.blocks.clone())
                } else {
                    return;
                }
            }
            "delete" => {
                self.records.remove(id);
                self.graph.remove(&id)
            }
            "priority" => return,
            other => panic!("an event of an unknown kind: {other}"),
        };
        self.note(changes);
    }

    /// Carries on what was known by what changed: so a change that is not named shows as a difference.
    fn note(&mut self, changes: Changes<&'a str>) {
        for id in changes.freed {
            assert!(self.blocked.remove(id), "{id} is freed, but was free");
        }
        for id in changes.blocked {
            assert!(self.blocked.insert(id), "{id} is blocked, but was so before");
        }
        for id in changes.cycle_changed {
            match self.graph.cycle_of(&id) {
                Some(_) => self.cyclic.insert(id),
                None => self.cyclic.remove(id),
            };
        }
    }

    fn compare(&mut self, at: usize) {
        let recomputed = Recomputed::of(&self.records);
        let mut blocked = BTreeSet::new();
        let mut cyclic = BTreeSet::new();
        for (ix, id) in recomputed.ids.iter().enumerate() {
            let open: Vec<&str> = recomputed.open_blockers(ix);
            let cycle = recomputed.cycles[ix].map(|cycle| &recomputed.members[&cycle]);
            assert_eq!(self.graph.is_free(id), open.is_empty(), "{id} after event {at}");
            assert_eq!(self.graph.cycle_of(id).as_ref(), cycle, "{id} after event {at}");
            if !open.is_empty() {
                assert_eq!(self.graph.open_blockers(id), open, "{id} after event {at}");
                blocked.insert(*id);
            }
            if cycle.is_some() {
                cyclic.insert(*id);
            }
        }
        assert_eq!(self.blocked, blocked, "named as blocked up to event {at}");
        assert_eq!(self.cyclic, cyclic, "named as in a cycle up to event {at}");
        self.most_cyclic = self.most_cyclic.max(cyclic.len());
    }
}

fn change<'a>(set: &mut BTreeSet<&'a str>, id: &'a str, is_added: bool) {
    if is_added {
        set.insert(id);
    } else {
        set.remove(id);
    }
}

/// The answers computed anew from the records alone; cycles by two walks, forward and backward.
struct Recomputed<'a> {
    ids: Vec<&'a str>,
    is_open: Vec<bool>,
    blockers: Vec<BTreeSet<usize>>,
    /// The least member of the cycle that each is in.
    cycles: Vec<Option<usize>>,
    members: BTreeMap<usize, Vec<&'a str>>,
}

impl<'a> Recomputed<'a> {
    fn of(records: &BTreeMap<&'a str, Record<'a>>) -> Self {
        let mut all: BTreeSet<&str> = records.keys().copied().collect();
        all.extend(records.values().flat_map(|record| record.blockers.iter().chain(&record.blocks)));
        let ids: Vec<&str> = all.into_iter().collect();
        let ix: BTreeMap<&str, usize> = ids.iter().enumerate().map(|(ix, id)| (*id, ix)).collect();
        let mut blockers = vec![BTreeSet::new(); ids.len()];
        for (id, record) in records {
            blockers[ix[id]].extend(record.blockers.iter().map(|blocker| ix[blocker]));
            for blocked in &record.blocks {
                blockers[ix[blocked]].insert(ix[id]);
            }
        }
        let is_open = ids.iter().map(|id| records.get(id).is_none_or(|record| !record.is_closed)).collect();
        let mut made = Self { ids, is_open, blockers, cycles: Vec::new(), members: BTreeMap::new() };
        made.find_cycles();
        made
    }

    fn open_blockers(&self, ix: usize) -> Vec<&'a str> {
        self.blockers[ix].iter().filter(|&&blocker| self.is_open[blocker]).map(|&ix| self.ids[ix]).collect()
    }

    /// Kosaraju's algorithm.
    fn find_cycles(&mut self) {
        let count = self.ids.len();
        let mut up = vec![Vec::new(); count];
        let mut down = vec![Vec::new(); count];
        for (dependant, blockers) in self.blockers.iter().enumerate() {
            for &blocker in blockers.iter().filter(|&&ix| self.is_open[ix] && self.is_open[dependant]) {
                up[dependant].push(blocker);
                down[blocker].push(dependant);
            }
        }
        let mut left = Vec::new();
        let mut seen = vec![false; count];
        for start in 0..count {
            walk(start, &down, &mut seen, &mut left);
        }
        self.cycles = vec![None; count];
        let mut seen = vec![false; count];
        for start in left.into_iter().rev() {
            let mut component = Vec::new();
            walk(start, &up, &mut seen, &mut component);
            component.sort_unstable();
            if component.len() > 1 || component.iter().any(|ix| up[*ix].contains(ix)) {
                component.iter().for_each(|&ix| self.cycles[ix] = Some(component[0]));
                self.members.insert(component[0], component.iter().map(|&ix| self.ids[ix]).collect());
            }
        }
    }
}

/// Walks depth first from `start` over what is not yet seen; `left` gets each when all below it is done.
fn walk(start: usize, edges: &[Vec<usize>], seen: &mut [bool], left: &mut Vec<usize>) {
    let mut path = Vec::new();
    if !std::mem::replace(&mut seen[start], true) {
        path.push((start, 0));
    }
    while let Some((at, next)) = path.last_mut() {
        match edges[*at].get(*next) {
            Some(&to) => {
                *next += 1;
                if !std::mem::replace(&mut seen[to], true) {
                    path.push((to, 0));
                }
            }
            None => {
                left.push(*at);
                path.pop();
            }
        }
    }
}

fn replayed(trace: &str, do_relations_block: bool) -> Replay<'_> {
    let mut replay = Replay { do_relations_block, ..Replay::default() };
    let mut count = 0;
    for (at, line) in trace.lines().enumerate() {
        replay.take(&serde_json::from_str(line).expect("a line is an event"));
        if at < CLOSELY || at % 100 == 0 {
            replay.compare(at);
        }
        count += 1;
    }
    replay.compare(count);
    assert_eq!(count, 110_940);
    replay
}

#[test]
fn a_real_history_leaves_the_graph_as_if_recomputed() {
    let trace = trace();
    let replay = replayed(&trace, false);
    assert!(!replay.blocked.is_empty());
}

#[test]
fn a_real_history_of_all_relations_leaves_the_graph_as_if_recomputed() {
    let trace = trace();
    let replay = replayed(&trace, true);
    assert!(replay.most_cyclic > 1, "a history without cycles tells nothing of them");
}
