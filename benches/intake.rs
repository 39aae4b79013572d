//! What it costs to take a delivery: verified and read, and then also stored and synced before it is answered.
//!
//! Prints microseconds per delivery with 1 to 512 of them under way at once, each with its ratio to verifying and
//! reading alone. The yardstick is a plain file that is appended to and synced for each delivery: what durability
//! costs where nothing is shared. All of it is on the disk that the build is on.

use std::{
    fs::File,
    hint::black_box,
    io::Write as _,
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use mosaic_coordinator::{
    forge::{Delivery, DeliveryHeaders, signature},
    store::{NewDelivery, Put, Store as _, sqlite::SqliteStore},
};
use secrecy::SecretString;

const AT_ONCE: [usize; 5] = [1, 8, 32, 128, 512];
const LEAST_TIME: Duration = Duration::from_millis(700);

/// Deliveries as they come in: each with a key of its own.
struct Source {
    secrets: Vec<SecretString>,
    body: Vec<u8>,
    signature: String,
    sent: u64,
}

impl Source {
    /// An `assigned` whose issue has a body of 4 KiB, as a forge of some years sends it.
    fn new() -> Self {
        let recorded = include_bytes!("../tests/data/gitea/issues-assigned.v1.16.json");
        let mut event: serde_json::Value = serde_json::from_slice(recorded).expect("the recording is JSON");
        event["issue"]["body"] = "All work and no play. ".repeat(190).into();
        let body = event.to_string().into_bytes();
        let secret = SecretString::from("s3cret");
        let signature = signature::sign(&secret, &body);
        Self { secrets: vec![secret], body, signature, sent: 0 }
    }

    fn next(&mut self) -> NewDelivery {
        self.sent += 1;
        let key = format!("00000000-0000-4000-8000-{:012x}", self.sent);
        let headers: DeliveryHeaders = [
            ("Content-Type", "application/json"),
            ("X-Gitea-Delivery", &key),
            ("X-Gitea-Event", "issues"),
            ("X-Gitea-Signature", &self.signature),
        ]
        .into_iter()
        .collect();
        let Delivery { key, hint, payload } =
            Delivery::read(&self.secrets, &headers, &self.body).expect("it is signed");
        NewDelivery { key, event: hint.event, issue: Some("acme/app#1".to_owned()), received_ms: 0, payload }
    }
}

/// Microseconds that each run of `work` took, over no less than [`LEAST_TIME`].
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn us_each(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut runs = 0_u32;
    while start.elapsed() < LEAST_TIME {
        work();
        runs += 1;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(runs)
}

/// Microseconds per delivery with `at_once` of them under way: each answer makes room for the next.
fn stored(folder: &Path, source: &mut Source, at_once: usize) -> f64 {
    let store = SqliteStore::open(&folder.join(format!("{at_once}.db"))).expect("the store opens");
    let (answer, answered) = mpsc::channel();
    let mut put = || {
        let answer = answer.clone();
        store.put_delivery(
            source.next(),
            Box::new(move |put| {
                let is_new = matches!(put, Ok(Put::New));
                answer.send(is_new).expect("answers are waited for");
            }),
        );
    };
    let take = || assert!(answered.recv().expect("each delivery is answered"), "each is new, and stored");
    (0..at_once).for_each(|_| put());
    let us = us_each(|| {
        take();
        put();
    });
    (0..at_once).for_each(|_| take());
    us
}

fn synced_file(folder: &Path, source: &mut Source) -> f64 {
    let mut file = File::create(folder.join("yardstick")).expect("a file can be made");
    us_each(|| {
        file.write_all(&source.next().payload).and_then(|()| file.sync_data()).expect("the disk takes it");
    })
}

fn main() {
    let folder =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build's folder can be written");
    let mut source = Source::new();
    println!("deliveries of {} bytes", source.body.len());
    let read = us_each(|| drop(black_box(source.next())));
    let line = |what: &str, us: f64| println!("{what:<44} {us:>9.1} us each  (x{:.1})", us / read);
    line("verified and read", read);
    let file = synced_file(folder.path(), &mut source);
    line("yardstick: and appended to a file, synced", file);
    for at_once in AT_ONCE {
        let us = stored(folder.path(), &mut source, at_once);
        line(&format!("and stored, {at_once} at once"), us);
    }
}
