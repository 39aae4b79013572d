//! The way into a cell: what is sent to it, and who may send.
//!
//! Promises that nothing is sent without a place in the mailbox, orders of the runtime itself aside.
//! Never keeps a refused message.

use std::sync::Arc;

use actix::Addr;

use super::cell::Cell;
use super::census::Sabotage;
use super::gauge::{Gauge, Life, Place, Series};
use super::port::{Attempt, Ground, Inlet, Port, Refused, ReplySlot, Why};
use super::role::{Handle, Message, Role};

/// A message on its way, with its place in the mailbox.
pub(super) struct Letter<M: Message> {
    pub(super) message: M,
    pub(super) place: Place,
    pub(super) series: Arc<Series>,
    pub(super) reply: Option<ReplySlot<M>>,
    /// The only incarnation that may handle it, where that matters.
    pub(super) incarnation: Option<u32>,
}

impl<M: Message> actix::Message for Letter<M> {
    type Result = ();
}

/// Asks the cell to drop its role for good; takes no place in the mailbox.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// A panic outside of the handlers; takes no place in the mailbox.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Fault {
    pub(super) incarnation: u32,
    pub(super) origin: &'static str,
    pub(super) why: String,
}

/// An order to misbehave, for tests.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Misbehave {
    pub(super) how: Sabotage,
    pub(super) place: Place,
    pub(super) series: Arc<Series>,
}

/// The sending side of a cell.
pub(super) struct Outlet<R: Role> {
    pub(super) addr: Addr<Cell<R>>,
    pub(super) gauge: Arc<Gauge>,
    pub(super) ground: Ground,
}

impl<R: Role> Outlet<R> {
    pub(super) fn port<M: Message>(&self) -> Port<M>
    where
        R: Handle<M>,
    {
        Port::new(Arc::new(CellInlet { outlet: self.clone(), series: self.gauge.series(M::NAME) }))
    }

    pub(super) fn push<M: Message>(
        &self,
        message: M,
        reply: Option<ReplySlot<M>>,
        incarnation: Option<u32>,
        series: &Arc<Series>,
        attempt: Attempt,
    ) -> Result<(), Refused<M>>
    where
        R: Handle<M>,
    {
        match self.place() {
            Ok(place) => {
                let series = Arc::clone(series);
                self.addr.do_send(Letter { message, place, series, reply, incarnation });
                Ok(())
            }
            Err(why) => {
                if attempt == Attempt::First {
                    self.gauge.note_refused();
                }
                Err(Refused { message, why })
            }
        }
    }

    pub(super) fn sabotage(&self, how: Sabotage) -> bool {
        let Ok(place) = self.place() else { return false };
        self.addr.do_send(Misbehave { how, place, series: self.gauge.series(Sabotage::NAME) });
        true
    }

    /// Asks for the end; tells how far it was before.
    pub(super) fn stop(&self) -> Life {
        let before = self.gauge.close();
        if before == Life::Open {
            self.addr.do_send(Stop);
        }
        before
    }

    fn place(&self) -> Result<Place, Why> {
        if self.gauge.is_closed() || !self.addr.connected() {
            return Err(Why::Gone);
        }
        self.gauge.admit(self.ground.clock.instant()).ok_or(Why::Full)
    }
}

impl<R: Role> Clone for Outlet<R> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), gauge: Arc::clone(&self.gauge), ground: self.ground.clone() }
    }
}

struct CellInlet<R: Role> {
    outlet: Outlet<R>,
    series: Arc<Series>,
}

impl<R: Handle<M>, M: Message> Inlet<M> for CellInlet<R> {
    fn id(&self) -> &str {
        &self.outlet.gauge.id
    }

    fn ground(&self) -> &Ground {
        &self.outlet.ground
    }

    fn push(&self, message: M, reply: Option<ReplySlot<M>>, attempt: Attempt) -> Result<(), Refused<M>> {
        self.outlet.push(message, reply, None, &self.series, attempt)
    }
}
