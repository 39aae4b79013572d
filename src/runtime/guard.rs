//! Catching panics: the only place where unwinding is stopped.
//!
//! Promises that whatever a closure or future does, its dropping included, comes back as a value.
//! Never installs a panic hook: what the process prints on a panic is the default hook's business.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;

/// Runs the closure; `Err` is the text of its panic.
pub(super) fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(panic_text)
}

/// Runs the future to its end and drops it; `Err` is the text of a panic in either.
pub(super) async fn guarded_future<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = Box::pin(future);
    let outcome = AssertUnwindSafe(future.as_mut()).catch_unwind().await.map_err(panic_text);
    let dropped = guarded(|| drop(future));
    match (outcome, dropped) {
        (Ok(value), Ok(())) => Ok(value),
        (Ok(value), Err(why)) => {
            // The value is lost with the crash, and dropping it must not unwind either.
            let _ = guarded(|| drop(value));
            Err(why)
        }
        (Err(why), _) => Err(why),
    }
}

fn panic_text(payload: Box<dyn Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return (*text).to_owned();
    }
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => {
            // A payload of another type may panic in its own drop; a second payload is given up on.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            "panic without a text".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }

    #[test]
    fn panics_of_every_payload_come_back_as_text() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(guarded(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(guarded(|| panic!("number {}", 7)), Err::<(), _>("number 7".to_owned()));
        assert_eq!(guarded(|| panic_any(7)), Err::<(), _>("panic without a text".to_owned()));
    }

    #[test]
    fn payload_that_panics_in_its_drop_is_survived() {
        assert_eq!(guarded(|| panic_any(Bomb)), Err::<(), _>("panic without a text".to_owned()));
    }

    #[tokio::test]
    async fn panic_in_a_future_or_in_its_drop_comes_back_as_text() {
        assert_eq!(guarded_future(async { 7 }).await, Ok(7));
        assert_eq!(guarded_future(async { panic!("inside") }).await, Err::<(), _>("inside".to_owned()));
        let bomb = Bomb;
        let future = std::future::poll_fn(move |_| {
            let _held = &bomb;
            std::task::Poll::Ready(())
        });
        assert_eq!(guarded_future(future).await, Err("bomb".to_owned()));
    }
}
