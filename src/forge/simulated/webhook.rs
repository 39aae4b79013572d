//! The sender of webhooks: one after the other, at most once, five seconds each, never again.
//!
//! Owns the signatures and headers of a delivery. What a delivery says was fixed when its cause happened.
//! Tests plan here that deliveries are lost, doubled, late or out of order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::faults::{DeliveryFault, Faults, HookAnswer, SentHook};

/// Gitea's `[webhook] DELIVER_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long deliveries are held for the ones they are to change places with.
const HELD_AT_MOST: Duration = Duration::from_millis(500);

/// One webhook, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) uuid: String,
    pub(super) url: String,
    pub(super) form: bool,
    pub(super) secret: String,
    pub(super) authorization: String,
    pub(super) target: &'static str,
    pub(super) event: &'static str,
    pub(super) event_type: &'static str,
    pub(super) action: String,
    pub(super) payload: String,
}

/// Where deliveries are put, in the order of their causes.
#[derive(Clone)]
pub(super) struct Outbox {
    queue: UnboundedSender<Delivery>,
    waiting: Arc<AtomicUsize>,
}

impl Outbox {
    pub(super) fn put(&self, delivery: Delivery) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        // A closed queue is a forge that is being stopped: it sends no more, as a killed Gitea would not.
        let _ = self.queue.send(delivery);
    }

    /// Deliveries that are not done with.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

/// The deliveries of one forge, until its outbox is gone.
#[derive(Clone)]
pub(super) struct Sender {
    faults: Arc<Faults>,
    http: reqwest::Client,
    waiting: Arc<AtomicUsize>,
}

impl Sender {
    /// A sender with the outbox and the queue that lead to it.
    pub(super) fn new(
        faults: Arc<Faults>,
    ) -> Result<(Self, Outbox, UnboundedReceiver<Delivery>), reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent("Go-http-client/1.1")
            .no_proxy()
            .timeout(TIMEOUT)
            .build()?;
        let (queue, received) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let outbox = Outbox { queue, waiting: Arc::clone(&waiting) };
        Ok((Self { faults, http, waiting }, outbox, received))
    }

    /// Sends what comes until nothing can come any more.
    pub(super) async fn run(self, mut queue: UnboundedReceiver<Delivery>) {
        let mut held: Vec<Delivery> = Vec::new();
        loop {
            let next = if held.is_empty() {
                queue.recv().await
            } else {
                match tokio::time::timeout(HELD_AT_MOST, queue.recv()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.release(&mut held).await;
                        continue;
                    }
                }
            };
            let Some(delivery) = next else { break };
            match self.faults.for_delivery(&view(&delivery)) {
                None => self.deliver(&delivery).await,
                Some((DeliveryFault::Lose, _)) => {
                    self.note(&delivery, HookAnswer::Lost);
                    self.done();
                }
                Some((DeliveryFault::Duplicate, _)) => {
                    self.send(&delivery).await;
                    self.deliver(&delivery).await;
                }
                Some((DeliveryFault::Delay(by), _)) => self.deliver_later(delivery, by),
                Some((DeliveryFault::Reorder, last)) => {
                    held.push(delivery);
                    if last {
                        self.release(&mut held).await;
                    }
                }
            }
        }
    }

    async fn release(&self, held: &mut Vec<Delivery>) {
        for delivery in held.drain(..).rev().collect::<Vec<_>>() {
            self.deliver(&delivery).await;
        }
    }

    fn deliver_later(&self, delivery: Delivery, by: Duration) {
        let late = self.clone();
        actix_web::rt::spawn(async move {
            pause(by).await;
            late.deliver(&delivery).await;
        });
    }

    async fn deliver(&self, delivery: &Delivery) {
        self.send(delivery).await;
        self.done();
    }

    fn done(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    fn note(&self, delivery: &Delivery, answer: HookAnswer) {
        self.faults.sent(SentHook { answer, ..view(delivery) });
    }

    async fn send(&self, delivery: &Delivery) {
        let answer = match self.request(delivery).send().await {
            // The whole exchange counts, the answer's body included.
            Ok(answer) => {
                let status = answer.status().as_u16();
                match answer.bytes().await {
                    Ok(_) => HookAnswer::Status(status),
                    Err(error) => HookAnswer::Failed(error.to_string()),
                }
            }
            Err(error) => HookAnswer::Failed(error.to_string()),
        };
        self.note(delivery, answer);
    }

    fn request(&self, delivery: &Delivery) -> reqwest::RequestBuilder {
        let (sha256, sha1) = signatures(&delivery.secret, &delivery.payload);
        let content_type =
            if delivery.form { "application/x-www-form-urlencoded" } else { "application/json" };
        let mut request = self
            .http
            .post(&delivery.url)
            .header("Content-Type", content_type)
            .header("Accept-Encoding", "gzip")
            .header("X-Hub-Signature", format!("sha1={sha1}"))
            .header("X-Hub-Signature-256", format!("sha256={sha256}"));
        for brand in ["Gitea", "Gogs", "GitHub"] {
            request = request
                .header(format!("X-{brand}-Delivery"), &delivery.uuid)
                .header(format!("X-{brand}-Event"), delivery.event)
                .header(format!("X-{brand}-Event-Type"), delivery.event_type);
        }
        for brand in ["Gitea", "Gogs"] {
            request = request.header(format!("X-{brand}-Signature"), &sha256);
        }
        for brand in ["Gitea", "GitHub"] {
            request = request.header(format!("X-{brand}-Hook-Installation-Target-Type"), delivery.target);
        }
        if !delivery.authorization.is_empty() {
            request = request.header("Authorization", &delivery.authorization);
        }
        if delivery.form {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("payload", &delivery.payload)
                .finish();
            request.body(form)
        } else {
            request.body(delivery.payload.clone())
        }
    }
}

/// A delivery as tests see it, not sent yet.
fn view(delivery: &Delivery) -> SentHook {
    SentHook {
        uuid: delivery.uuid.clone(),
        url: delivery.url.clone(),
        event: delivery.event,
        event_type: delivery.event_type,
        action: delivery.action.clone(),
        payload: delivery.payload.clone(),
        answer: HookAnswer::Lost,
    }
}

/// HMACs over the JSON text, in hex; empty without a secret.
fn signatures(secret: &str, payload: &str) -> (String, String) {
    if secret.is_empty() {
        return (String::new(), String::new());
    }
    let key = "an HMAC takes a key of any length";
    let mut sha256 = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect(key);
    let mut sha1 = Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes()).expect(key);
    sha256.update(payload.as_bytes());
    sha1.update(payload.as_bytes());
    (hex::encode(sha256.finalize().into_bytes()), hex::encode(sha1.finalize().into_bytes()))
}

#[expect(clippy::disallowed_methods, reason = "planned lateness of another system, not a wait of ours")]
pub(super) async fn pause(by: Duration) {
    tokio::time::sleep(by).await;
}
