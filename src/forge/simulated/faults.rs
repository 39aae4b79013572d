//! What tests may ask of the simulated forge beyond its contract: faults to come, and a log of what was.
//!
//! Plans are consumed in the order they were made; each names how many requests or deliveries it meets and
//! which. Nothing here can be reached over HTTP.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// One request to the API or to git, as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// Method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Query string.
    pub query: String,
    /// Login of the user whose token it carried.
    pub user: Option<String>,
    /// Status of the answer; `None` while it is handled and where no answer was given.
    pub status: Option<u16>,
}

/// What happens to a request that a plan names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// It is answered so at once, nothing is done.
    Answer {
        /// Status of the answer.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// The connection ends, nothing is done.
    DropRequest,
    /// All is done, then the connection ends without an answer.
    DropAnswer,
    /// It is handled that much later.
    Delay(Duration),
}

/// What happens to a webhook that a plan names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryFault {
    /// It is never sent.
    Lose,
    /// It is sent twice, with the same id.
    Duplicate,
    /// It is sent that much later; later ones overtake it.
    Delay(Duration),
    /// It is held until the plan's last one has come (half a second at most), then all are sent, the last first.
    Reorder,
}

/// What became of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAnswer {
    /// Lost by plan.
    Lost,
    /// The receiver's status.
    Status(u16),
    /// No answer; why.
    Failed(String),
}

/// One webhook that was sent (or lost).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentHook {
    /// `X-Gitea-Delivery`.
    pub uuid: String,
    /// Where it went.
    pub url: String,
    /// `X-Gitea-Event`.
    pub event: &'static str,
    /// `X-Gitea-Event-Type`.
    pub event_type: &'static str,
    /// The payload's action, empty where it has none.
    pub action: String,
    /// The JSON text.
    pub payload: String,
    /// What became of it.
    pub answer: HookAnswer,
}

type RequestWhich = Box<dyn Fn(&ApiRequest) -> bool + Send>;
type DeliveryWhich = Box<dyn Fn(&SentHook) -> bool + Send>;

struct Plan<W, F> {
    times: usize,
    which: W,
    fault: F,
}

#[derive(Default)]
struct Ledger {
    requests: Vec<Plan<RequestWhich, RequestFault>>,
    deliveries: Vec<Plan<DeliveryWhich, DeliveryFault>>,
    checking: usize,
    seen: Vec<ApiRequest>,
    sent: Vec<SentHook>,
}

/// The plans and the log of one simulated forge.
#[derive(Default)]
pub struct Faults {
    ledger: Mutex<Ledger>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = self.ledger();
        f.debug_struct("Faults")
            .field("request_plans", &ledger.requests.len())
            .field("delivery_plans", &ledger.deliveries.len())
            .field("requests", &ledger.seen.len())
            .field("sent", &ledger.sent.len())
            .finish()
    }
}

impl Faults {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans `fault` for the next `times` requests that `which` holds for.
    pub fn requests(
        &self,
        times: usize,
        which: impl Fn(&ApiRequest) -> bool + Send + 'static,
        fault: RequestFault,
    ) {
        self.ledger().requests.push(Plan { times, which: Box::new(which), fault });
    }

    /// Plans `fault` for the next `times` webhooks that `which` holds for.
    pub fn deliveries(
        &self,
        times: usize,
        which: impl Fn(&SentHook) -> bool + Send + 'static,
        fault: DeliveryFault,
    ) {
        self.ledger().deliveries.push(Plan { times, which: Box::new(which), fault });
    }

    /// For the next `looks` at pull requests (reads and merges) the forge has not checked yet whether they
    /// can be merged.
    pub fn keep_checking(&self, looks: usize) {
        self.ledger().checking = looks;
    }

    /// Takes back all plans that are left.
    pub fn clear(&self) {
        let mut ledger = self.ledger();
        ledger.requests.clear();
        ledger.deliveries.clear();
        ledger.checking = 0;
    }

    pub(super) fn still_checking(&self) -> bool {
        let mut ledger = self.ledger();
        let checking = ledger.checking > 0;
        ledger.checking = ledger.checking.saturating_sub(1);
        checking
    }

    pub(super) fn for_request(&self, request: &ApiRequest) -> Option<RequestFault> {
        take(&mut self.ledger().requests, |which| which(request)).map(|(fault, _)| fault)
    }

    /// The fault planned for a webhook, and whether its plan ends with it.
    pub(super) fn for_delivery(&self, hook: &SentHook) -> Option<(DeliveryFault, bool)> {
        take(&mut self.ledger().deliveries, |which| which(hook))
    }

    /// Logs a request and returns its place in the log.
    pub(super) fn begins(&self, request: ApiRequest) -> usize {
        let mut ledger = self.ledger();
        ledger.seen.push(request);
        ledger.seen.len() - 1
    }

    pub(super) fn answered(&self, place: usize, status: u16) {
        self.ledger().seen[place].status = Some(status);
    }

    pub(super) fn sent(&self, hook: SentHook) {
        self.ledger().sent.push(hook);
    }

    pub(super) fn seen(&self) -> Vec<ApiRequest> {
        self.ledger().seen.clone()
    }

    pub(super) fn all_sent(&self) -> Vec<SentHook> {
        self.ledger().sent.clone()
    }
}

/// The first plan that holds, used once; with whether that was its last time.
fn take<W, F: Clone>(plans: &mut Vec<Plan<W, F>>, holds: impl Fn(&W) -> bool) -> Option<(F, bool)> {
    let place = plans.iter().position(|plan| plan.times > 0 && holds(&plan.which))?;
    let plan = &mut plans[place];
    plan.times -= 1;
    let taken = (plan.fault.clone(), plan.times == 0);
    if taken.1 {
        plans.remove(place);
    }
    Some(taken)
}
