//! The runtime on real actix: a probe role that does what a test tells it, and a world to run it in.

mod mailboxes;
mod observation;
mod supervision;
mod timing;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::*;

/// Epoch of the manual clock in all tests.
const START_MS: i64 = 1_700_000_000_000;
const CAPACITY: usize = 8;

/// What a probe reports.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Built(u32),
    Noted(u32, u32),
    Dropped(Vec<u32>, ThreadId),
}

/// What the next rebuild does, where it is not to succeed.
enum Failure {
    Refuse(&'static str),
    Panic(&'static str),
}

#[derive(Clone)]
struct Seed {
    events: mpsc::UnboundedSender<Event>,
    failures: Arc<Mutex<VecDeque<Failure>>>,
    drop_panics: Arc<AtomicBool>,
}

struct Probe {
    memory: Vec<u32>,
    seed: Seed,
}

impl Role for Probe {
    type Seed = Seed;
    const ROLE: &'static str = "ProbeActor";
    const CAPACITY: usize = CAPACITY;

    fn rebuild(seed: &Seed, scope: &Scope<Self>) -> Result<Self, RebuildError> {
        let failure = seed.failures.lock().unwrap().pop_front();
        match failure {
            Some(Failure::Refuse(why)) => return Err(RebuildError(why.to_owned())),
            Some(Failure::Panic(why)) => panic!("{why}"),
            None => {}
        }
        seed.report(Event::Built(scope.incarnation()));
        Ok(Self { memory: vec![1], seed: seed.clone() })
    }

    fn corrupt(&mut self) {
        self.memory = vec![666];
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.seed.report(Event::Dropped(self.memory.clone(), std::thread::current().id()));
        if self.seed.drop_panics.load(Ordering::SeqCst) {
            panic!("drop of the probe");
        }
    }
}

impl Seed {
    fn report(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

/// Remembers the number and reports it; answered with the whole memory.
#[derive(Debug, PartialEq)]
struct Note(u32);
impl Message for Note {
    type Reply = Vec<u32>;
    const NAME: &'static str = "note";
}
impl Handle<Note> for Probe {
    fn handle(&mut self, Note(number): Note, scope: &Scope<Self>) -> Vec<u32> {
        self.memory.push(number);
        self.seed.report(Event::Noted(scope.incarnation(), number));
        self.memory.clone()
    }
}

/// Does in the handler whatever the test wants.
struct Do(Act);
type Act = Box<dyn FnOnce(&Scope<Probe>) + Send>;
impl Message for Do {
    type Reply = ();
    const NAME: &'static str = "do";
}
impl Handle<Do> for Probe {
    fn handle(&mut self, Do(act): Do, scope: &Scope<Self>) {
        act(scope);
    }
}

fn doing(act: impl FnOnce(&Scope<Probe>) + Send + 'static) -> Do {
    Do(Box::new(act))
}

fn panicking(text: &'static str) -> Do {
    doing(move |_| panic!("{text}"))
}

/// A message that blocks its handler until the gate is opened or dropped.
struct Gate {
    entered: oneshot::Receiver<()>,
    _open: std::sync::mpsc::Sender<()>,
}

fn gate() -> (Gate, Do) {
    let (open, closed) = std::sync::mpsc::channel();
    let (enter, entered) = oneshot::channel();
    let message = doing(move |_| {
        let _ = enter.send(());
        let _ = closed.recv();
    });
    (Gate { entered, _open: open }, message)
}

/// A census with a clock and a probe's surroundings.
struct World {
    census: Census,
    clock: Clock,
    seed: Seed,
    events: mpsc::UnboundedReceiver<Event>,
}

impl World {
    fn new(clock: Clock, pool: tokio::runtime::Handle) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let seed = Seed { events: sender, failures: Arc::default(), drop_panics: Arc::default() };
        Self { census: Census::new(Duration::from_secs(10), clock.clone(), pool), clock, seed, events }
    }

    /// A probe named `probe` on a thread of its own, so that a blocked handler does not block the test.
    fn probe(&self) -> Mailbox<Probe> {
        self.probe_on(Placement::Own)
    }

    fn probe_on(&self, on: Placement) -> Mailbox<Probe> {
        self.probe_with(Spec { on, ..Spec::named("probe") })
    }

    fn probe_with(&self, spec: Spec) -> Mailbox<Probe> {
        spawn::<Probe>(&self.census, self.seed.clone(), spec)
    }

    fn view(&self) -> ActorView {
        self.census.get("probe").expect("the probe is listed").actor
    }

    /// A probe that is inside of a handler until the gate is dropped.
    async fn blocked_probe(&self, capacity: usize) -> (Mailbox<Probe>, Gate) {
        let spec = Spec { on: Placement::Own, capacity: Some(capacity), ..Spec::named("probe") };
        let (probe, (mut gate, message)) = (self.probe_with(spec), gate());
        probe.port().tell(message).unwrap();
        within(&mut gate.entered).await.unwrap();
        (probe, gate)
    }

    /// The next notes, until as many as asked for have come.
    async fn notes(&mut self, count: usize) -> Vec<(u32, u32)> {
        let mut notes = Vec::new();
        while notes.len() < count {
            if let Event::Noted(incarnation, number) = self.event().await {
                notes.push((incarnation, number));
            }
        }
        notes
    }

    async fn event(&mut self) -> Event {
        within(self.events.recv()).await.expect("a sender is held by the world")
    }
}

/// Runs the test inside of an actix system on a shared multi-thread runtime, with a manual clock.
fn in_system<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    let pool =
        Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    let system = actix_rt::System::with_tokio_rt({
        let pool = Arc::clone(&pool);
        move || pool
    });
    let world = World::new(Clock::manual(START_MS), pool.handle().clone());
    system.block_on(within(test(world)));
}

/// What is logged on this thread while `act` runs.
fn logged(act: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, act);
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

/// Bounds the wait for what must happen.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens within a minute")
}

/// Polls until the condition holds.
async fn until(mut holds: impl FnMut() -> bool) {
    let mut beat = tokio::time::interval(Duration::from_millis(1));
    while !holds() {
        beat.tick().await;
    }
}
