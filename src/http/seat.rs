//! The numbers of HTTP workers: from 0, each taken by one at a time.
//!
//! A worker that dies gives its number back, so the one that replaces it, and its WebhookActor, is called the same.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// All numbers that are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats(Arc<Mutex<BTreeSet<usize>>>);

/// One number, taken until dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: usize,
    seats: Seats,
}

impl Seats {
    /// Takes the lowest number that is free.
    pub(super) fn take(&self) -> Seat {
        let mut taken = self.lock();
        let number =
            (0..).find(|number| !taken.contains(number)).expect("there are fewer workers than numbers");
        taken.insert(number);
        Seat { number, seats: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    pub(super) fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_free_again_once_its_holder_is_gone() {
        let seats = Seats::default();
        let mut held: Vec<Seat> = (0..3).map(|_| seats.take()).collect();
        assert_eq!(held.iter().map(Seat::number).collect::<Vec<_>>(), [0, 1, 2]);
        drop(held.remove(1));
        assert_eq!(seats.take().number(), 1);
        let replaced = seats.take();
        assert_eq!((replaced.number(), seats.take().number()), (1, 3));
    }
}
