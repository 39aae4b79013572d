//! How a delivery is handed from the HTTP worker to its WebhookActor, and what the worker is told.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::DeliveryHeaders;
use crate::runtime::Message;

/// A webhook request, read but not looked at, with the slot for its answer.
#[derive(Debug)]
pub struct Deliver {
    /// The headers that matter.
    pub headers: DeliveryHeaders,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Answered once: at once when refused, after the sync when stored.
    pub reply: oneshot::Sender<Intake>,
}

impl Message for Deliver {
    type Reply = ();
    const NAME: &'static str = "deliver";
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Stored; its issue will be read again.
    Accepted {
        /// The delivery's key.
        delivery: String,
    },
    /// Stored before.
    Duplicate {
        /// The delivery's key.
        delivery: String,
    },
    /// Stored; there is no issue to read again.
    Ignored {
        /// The delivery's key.
        delivery: String,
    },
    /// Not taken; nothing was stored.
    Refused {
        /// 401, 415 or 422.
        status: u16,
        /// What is wrong with it, for the hook's admin; no secrets.
        message: String,
    },
    /// The inbox cannot be written or the disk is too full: the sweep will find what it told.
    Unavailable {
        /// Why.
        message: String,
    },
}
