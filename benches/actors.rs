//! What the supervised cell adds to a plain actix actor: the exact bound, the gauges, the panic guard.
//!
//! Prints nanoseconds per message, told (and all handled) or asked one by one, each with its ratio to plain actix in the
//! same run. Both actors do the same next to nothing on a thread of their own, so this is the most the ratio can be.

use std::{
    convert::Infallible,
    hint::black_box,
    time::{Duration, Instant},
};

use actix::{Actor, Arbiter, Context, Handler};
use mosaic_coordinator::runtime::{
    Census, Clock, Handle, Message, Placement, Port, RebuildError, Role, Scope, Spec, spawn,
};

const MESSAGES: u64 = 100_000;
const ROUNDS: usize = 7;

/// Adds to a sum; answered with it.
struct Add(u64);

impl Message for Add {
    type Reply = u64;
    const NAME: &'static str = "add";
}

impl actix::Message for Add {
    type Result = u64;
}

struct Sum(u64);

impl Role for Sum {
    type Seed = ();
    const ROLE: &'static str = "Sum";
    const CAPACITY: usize = MESSAGES as usize + 1;

    fn rebuild(_seed: &(), _scope: &Scope<Self>) -> Result<Self, RebuildError> {
        Ok(Self(0))
    }
}

impl Handle<Add> for Sum {
    fn handle(&mut self, Add(number): Add, _scope: &Scope<Self>) -> u64 {
        self.0 += number;
        self.0
    }
}

struct Plain(u64);

impl Actor for Plain {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MESSAGES as usize + 1);
    }
}

impl Handler<Add> for Plain {
    type Result = u64;

    fn handle(&mut self, Add(number): Add, _ctx: &mut Self::Context) -> u64 {
        self.0 += number;
        self.0
    }
}

/// The two ways to send; the future of an answer is awaited by the caller.
trait Sending {
    fn tell(&self, number: u64);
    async fn ask(&self, number: u64) -> Result<u64, Infallible>;
}

impl Sending for Port<Add> {
    fn tell(&self, number: u64) {
        Port::tell(self, Add(number)).expect("there is room for all");
    }

    async fn ask(&self, number: u64) -> Result<u64, Infallible> {
        Ok(Port::ask(self, Add(number)).await.expect("it lives"))
    }
}

impl Sending for actix::Addr<Plain> {
    fn tell(&self, number: u64) {
        self.do_send(Add(number));
    }

    async fn ask(&self, number: u64) -> Result<u64, Infallible> {
        Ok(self.send(Add(number)).await.expect("it lives"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds per message that is told, until the last one is handled.
async fn told(to: &impl Sending) -> f64 {
    let start = now();
    (0..MESSAGES).for_each(|number| to.tell(number));
    let _ = black_box(to.ask(0).await);
    start.elapsed().as_nanos() as f64 / MESSAGES as f64
}

/// Nanoseconds per question, each asked when the one before is answered.
async fn asked(to: &impl Sending) -> f64 {
    let questions = MESSAGES / 5;
    let start = now();
    for number in 0..questions {
        let _ = black_box(to.ask(number).await);
    }
    start.elapsed().as_nanos() as f64 / questions as f64
}

/// The middle one of several rounds, for the plain actor and for the cell, taken in turns.
fn report(what: &str, mut rounds: Vec<(f64, f64)>) {
    rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (plain, cell) = rounds[rounds.len() / 2];
    println!("{what:<8} plain actix {plain:>8.0} ns  supervised cell {cell:>8.0} ns  (x{:.2})", cell / plain);
}

fn main() {
    let system = actix_rt::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a pool is to be had")
    });
    system.block_on(async {
        let clock = Clock::system();
        let census = Census::new(Duration::from_secs(10), clock, tokio::runtime::Handle::current());
        let mailbox = spawn::<Sum>(&census, (), Spec { on: Placement::Own, ..Spec::named("sum") });
        let cell = mailbox.port::<Add>();
        let plain = Plain::start_in_arbiter(&Arbiter::new().handle(), |_| Plain(0));

        let (mut tells, mut asks) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            tells.push((told(&plain).await, told(&cell).await));
            asks.push((asked(&plain).await, asked(&cell).await));
        }
        report("tell", tells);
        report("ask", asks);
    });
}
