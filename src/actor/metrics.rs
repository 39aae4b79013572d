//! MetricsActor: the five measures, folded from the journal only, and the counters behind `/metrics`.
//!
//! Holds the ledger, in memory only: a rebuild folds the journal again, so nothing is lost or counted twice.
//!
//! | message | does |
//! |---|---|
//! | [`Committed`] | folds the events, shows the report on the board |
//! | [`GatesReported`] | durations and verdicts, for `/metrics` |

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{Ground, message};
use crate::{
    domain::{event::Event, gate::GateReport, report::Ledger},
    forge::intake::Intake,
    runtime::{Handle, RebuildError, Role, Scope},
    store::StoredEvent,
};

/// How many events are read at once when the journal is folded again.
const PAGE_LEN: usize = 1000;

message! {
    /// Events were committed.
    pub struct Committed = "committed" {
        /// Place of the first one.
        first_seq: u64,
        /// The events, in order.
        events: Vec<Event>,
    }
}

message! {
    /// A gate run ended.
    pub struct GatesReported = "gates_reported" {
        /// Its report.
        report: Box<GateReport>,
    }
}

/// See the module.
pub struct MetricsActor {
    ground: Ground,
    ledger: Ledger,
    last_seq: u64,
}

impl Role for MetricsActor {
    type Seed = Ground;
    const ROLE: &'static str = "MetricsActor";
    const CAPACITY: usize = 8192;

    fn rebuild(seed: &Ground, _scope: &Scope<Self>) -> Result<Self, RebuildError> {
        let mut actor = Self { ground: seed.clone(), ledger: Ledger::new(), last_seq: 0 };
        actor.catch_up()?;
        Ok(actor)
    }

    fn corrupt(&mut self) {
        self.ledger = Ledger::new();
    }
}

impl MetricsActor {
    /// Folds what the journal has and this does not.
    fn catch_up(&mut self) -> Result<(), RebuildError> {
        loop {
            let page = self
                .ground
                .store
                .read_after(self.last_seq, PAGE_LEN)
                .map_err(|error| RebuildError(error.to_string()))?;
            if page.is_empty() {
                self.ground.board.set_report(self.ledger.report());
                return Ok(());
            }
            for stored in &page {
                self.ledger.fold(&event_of(stored)?);
                self.last_seq = stored.seq;
            }
        }
    }
}

/// The event that was stored.
pub(super) fn event_of(stored: &StoredEvent) -> Result<Event, RebuildError> {
    serde_json::from_str(&stored.event.body)
        .map_err(|error| RebuildError(format!("event {} of the journal cannot be read: {error}", stored.seq)))
}

impl Handle<Committed> for MetricsActor {
    fn handle(&mut self, message: Committed, _scope: &Scope<Self>) {
        let Committed { first_seq, events } = message;
        if first_seq > self.last_seq + 1 {
            // Some were not told: the journal has them all.
            if let Err(error) = self.catch_up() {
                tracing::warn!(%error, "the measures wait for the next event");
            }
            return;
        }
        let known = (self.last_seq + 1 - first_seq) as usize;
        for event in events.iter().skip(known) {
            self.ledger.fold(event);
            self.last_seq += 1;
        }
        self.ground.board.set_report(self.ledger.report());
    }
}

impl Handle<GatesReported> for MetricsActor {
    fn handle(&mut self, message: GatesReported, _scope: &Scope<Self>) {
        self.ground.meters.gates(&message.report);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GateLabel {
    gate: String,
    verdict: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActorLabel {
    actor: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MeasureLabel {
    measure: &'static str,
}

/// The counters behind `/metrics`. Clones are not needed: it is shared.
#[derive(Debug)]
pub struct Meters {
    registry: Registry,
    deliveries: Family<OutcomeLabel, Counter>,
    gates: Family<GateLabel, Counter>,
    gate_seconds: Histogram,
    rotations: Counter,
    repeated_orders: Counter,
    violations: Counter,
    tasks: Family<StateLabel, Gauge>,
    depth: Family<ActorLabel, Gauge>,
    restarts: Family<ActorLabel, Gauge>,
    measures: Family<MeasureLabel, Gauge<f64, AtomicU64>>,
}

impl Default for Meters {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("mosaic");
        let deliveries = Family::default();
        registry.register("webhook_deliveries", "Deliveries by outcome", deliveries.clone());
        let gates = Family::default();
        registry.register("gate_runs", "Gate runs by gate and verdict", gates.clone());
        let gate_seconds = Histogram::new([0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0]);
        registry.register("gate_duration_seconds", "Duration of gate runs", gate_seconds.clone());
        let rotations = Counter::default();
        registry.register("rotations", "Rotations ordered", rotations.clone());
        let repeated_orders = Counter::default();
        registry.register(
            "repeated_orders",
            "Orders that met a full mailbox and were repeated",
            repeated_orders.clone(),
        );
        let violations = Counter::default();
        registry.register("invariant_violations", "Broken invariants found", violations.clone());
        let tasks = Family::default();
        registry.register("tasks", "Tasks by state", tasks.clone());
        let depth = Family::default();
        registry.register("actor_mailbox_depth", "Messages that wait", depth.clone());
        let restarts = Family::default();
        registry.register("actor_restarts", "Restarts since the start", restarts.clone());
        let measures = Family::default();
        registry.register("measure", "The five measures", measures.clone());
        Self {
            registry,
            deliveries,
            gates,
            gate_seconds,
            rotations,
            repeated_orders,
            violations,
            tasks,
            depth,
            restarts,
            measures,
        }
    }
}

impl Meters {
    /// Counts a delivery.
    pub fn delivery(&self, intake: &Intake) {
        let outcome = match intake {
            Intake::Accepted { .. } => "accepted",
            Intake::Duplicate { .. } => "duplicate",
            Intake::Ignored { .. } => "ignored",
            Intake::Refused { .. } => "refused",
            Intake::Unavailable { .. } => "unavailable",
        };
        self.deliveries.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a rotation.
    pub fn rotation(&self) {
        self.rotations.inc();
    }

    /// Counts an order that met a full mailbox.
    pub fn refused_order(&self) {
        self.repeated_orders.inc();
    }

    /// Counts a broken invariant.
    pub fn violation(&self) {
        self.violations.inc();
    }

    fn gates(&self, report: &GateReport) {
        for (gate, result) in &report.gates {
            let verdict = crate::domain::view::GateWord::from(result.verdict);
            let verdict =
                serde_json::to_value(verdict).ok().and_then(|word| word.as_str().map(str::to_owned));
            let label = GateLabel { gate: gate.clone(), verdict: verdict.unwrap_or_default() };
            self.gates.get_or_create(&label).inc();
            self.gate_seconds.observe(result.duration_ms as f64 / 1000.0);
        }
    }

    /// The text of `/metrics`, with what board and census say at this moment.
    pub fn text(&self, ground: &Ground) -> String {
        let report = ground.board.report();
        self.tasks.clear();
        for (state, count) in &report.tasks {
            self.tasks.get_or_create(&StateLabel { state: state.as_str() }).set(*count as i64);
        }
        self.depth.clear();
        self.restarts.clear();
        for actor in ground.census.snapshot() {
            let label = ActorLabel { actor: actor.id.clone() };
            self.depth.get_or_create(&label).set(actor.mailbox.depth as i64);
            self.restarts.get_or_create(&label).set(actor.restarts as i64);
        }
        for (measure, value) in report.measures.named() {
            if let Some(value) = value.value {
                self.measures.get_or_create(&MeasureLabel { measure }).set(value);
            }
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
