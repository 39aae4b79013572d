//! Timers and pushed-out futures belong to one incarnation.

use super::*;

const BEAT: Duration = Duration::from_millis(50);

#[test]
fn timer_fires_once_when_its_time_is_over() {
    in_system(async |mut world| {
        let probe = world.probe();
        probe.port().ask(doing(|scope| scope.after(BEAT, Note(7)))).await.unwrap();
        world.clock.advance(BEAT / 2);
        assert_eq!(probe.port().ask(Note(1)).await, Ok(vec![1, 1]));
        world.clock.advance(BEAT / 2);
        assert_eq!(world.notes(2).await, [(1, 1), (1, 7)]);
    });
}

#[test]
fn timers_end_with_their_incarnation_without_waiting_for_their_time() {
    in_system(async |mut world| {
        let probe = world.probe();
        let token = Arc::new(());
        let (once, each) = (Arc::clone(&token), Arc::clone(&token));
        let arm = doing(move |scope| {
            scope.after(BEAT, doing(move |scope| drop((once, scope.port().tell(Note(1))))));
            scope.every(BEAT, move || Note(u32::try_from(Arc::strong_count(&each)).unwrap()));
        });
        probe.port().ask(arm).await.unwrap();
        probe.port().ask(panicking("boom")).await.unwrap_err();
        until(|| Arc::strong_count(&token) == 1).await;

        world.clock.advance(BEAT * 10);
        probe.port().ask(Note(9)).await.unwrap();
        assert_eq!(world.notes(1).await, [(2, 9)]);
    });
}

#[test]
fn timer_message_already_in_the_mailbox_does_not_reach_the_next_incarnation() {
    in_system(async |mut world| {
        let probe = world.probe();
        probe.port().ask(doing(|scope| scope.after(BEAT, Note(7)))).await.unwrap();
        let (mut gate, message) = gate();
        probe.port().tell(message).unwrap();
        within(&mut gate.entered).await.unwrap();
        probe.port().tell(panicking("boom")).unwrap();
        world.clock.advance(BEAT);
        until(|| world.view().mailbox.depth == 2).await;
        drop(gate);
        assert_eq!(probe.port().ask(Note(9)).await, Ok(vec![1, 9]));
        assert_eq!(world.notes(1).await, [(2, 9)]);
        assert_eq!((world.view().stale, world.view().mailbox.depth), (1, 0));
    });
}

#[test]
fn beats_come_every_period_until_the_actor_stops() {
    in_system(async |mut world| {
        let probe = world.probe();
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let arm = doing(move |scope| {
            scope.every(BEAT, move || {
                let _held = &held;
                Note(3)
            });
        });
        probe.port().ask(arm).await.unwrap();
        for _ in 0..3 {
            world.clock.advance(BEAT);
            assert_eq!(world.notes(1).await, [(1, 3)]);
        }
        probe.stop();
        until(|| Arc::strong_count(&token) == 1).await;
    });
}

#[test]
fn beat_that_meets_a_full_mailbox_is_left_out_and_a_single_timer_tries_again() {
    in_system(async |mut world| {
        let spec = Spec { on: Placement::Own, capacity: Some(1), ..Spec::named("probe") };
        let (probe, (mut gate, message)) = (world.probe_with(spec), gate());
        probe.port().ask(doing(|scope| scope.every(BEAT, || Note(3)))).await.unwrap();
        probe.port().ask(doing(|scope| scope.after(BEAT, Note(7)))).await.unwrap();
        probe.port().tell(message).unwrap();
        within(&mut gate.entered).await.unwrap();
        probe.port().tell(Note(1)).unwrap();
        world.clock.advance(BEAT);
        until(|| world.view().refused == 2).await;
        drop(gate);
        assert_eq!(world.notes(1).await, [(1, 1)]);

        let mut seen = Vec::new();
        while !(seen.contains(&(1, 3)) && seen.contains(&(1, 7))) {
            world.clock.advance(BEAT);
            seen.extend(world.notes(1).await);
        }
        assert_eq!(seen.iter().filter(|note| **note == (1, 7)).count(), 1);
    });
}

#[test]
fn panic_in_making_a_beat_is_a_crash_of_the_role() {
    in_system(async |mut world| {
        let probe = world.probe();
        probe.port().ask(doing(|scope| scope.every(BEAT, || -> Note { panic!("off beat") }))).await.unwrap();
        world.clock.advance(BEAT);
        until(|| world.view().restarts == 1).await;
        assert_eq!(world.view().last_crash.unwrap().message, "note: off beat");
        probe.port().ask(Note(2)).await.unwrap();
        assert_eq!(world.notes(1).await, [(2, 2)]);
    });
}

#[test]
fn result_of_a_pushed_out_future_comes_back_as_a_message() {
    in_system(async |mut world| {
        let probe = world.probe();
        let outside = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&outside);
        let run = doing(move |scope| {
            let work = async move {
                *seen.lock().unwrap() = Some(std::thread::current().id());
                20
            };
            scope.run(work, |number| Note(number + 1));
        });
        probe.port().ask(run).await.unwrap();
        assert_eq!(world.notes(1).await, [(1, 21)]);
        assert_ne!(outside.lock().unwrap().unwrap(), std::thread::current().id());
    });
}

#[test]
fn result_for_an_earlier_incarnation_is_dropped_and_counted() {
    in_system(async |mut world| {
        let probe = world.probe();
        let (release, released) = oneshot::channel::<()>();
        let run = doing(|scope| scope.run(released, |_| Note(7)));
        probe.port().ask(run).await.unwrap();
        probe.port().ask(panicking("boom")).await.unwrap_err();
        until(|| world.view().restarts == 1).await;
        release.send(()).unwrap();
        until(|| world.view().stale == 1).await;
        probe.port().ask(Note(9)).await.unwrap();
        assert_eq!(world.notes(1).await, [(2, 9)]);
    });
}

#[test]
fn result_that_meets_a_full_mailbox_waits_for_a_place() {
    in_system(async |mut world| {
        let spec = Spec { on: Placement::Own, capacity: Some(1), ..Spec::named("probe") };
        let (probe, (mut gate, message)) = (world.probe_with(spec), gate());
        let (release, released) = oneshot::channel::<()>();
        probe.port().ask(doing(|scope| scope.run(released, |_| Note(7)))).await.unwrap();
        probe.port().tell(message).unwrap();
        within(&mut gate.entered).await.unwrap();
        probe.port().tell(Note(1)).unwrap();
        release.send(()).unwrap();
        until(|| world.view().refused == 1).await;
        drop(gate);
        assert_eq!(world.notes(1).await, [(1, 1)]);
        until(|| {
            world.clock.advance(Duration::from_secs(1));
            world.view().handled == 4
        })
        .await;
        assert_eq!(world.notes(1).await, [(1, 7)]);
    });
}

#[test]
fn result_for_an_actor_that_has_stopped_is_dropped() {
    in_system(async |world| {
        let probe = world.probe();
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let (release, released) = oneshot::channel::<()>();
        let run = doing(|scope| {
            assert_eq!(scope.id(), "probe");
            scope.run(released, move |_| doing(move |_| drop(held)));
        });
        probe.port().ask(run).await.unwrap();
        probe.stop();
        probe.stopped().await;
        release.send(()).unwrap();
        until(|| Arc::strong_count(&token) == 1).await;
    });
}

#[test]
fn whole_day_of_beats_passes_at_once_in_virtual_time() {
    let system = actix_rt::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    });
    system.block_on(async {
        let mut world = World::new(Clock::system(), tokio::runtime::Handle::current());
        let probe = world.probe_on(Placement::Current);
        let hourly = doing(|scope| scope.every(Duration::from_secs(3600), || Note(1)));
        probe.port().ask(hourly).await.unwrap();
        assert_eq!(world.event().await, Event::Built(1));
        let begun = world.clock.instant();
        let beats = async {
            for _ in 0..24 {
                assert_eq!(world.events.recv().await, Some(Event::Noted(1, 1)));
            }
        };
        tokio::time::timeout(Duration::from_secs(90_000), beats).await.unwrap();
        assert_eq!((world.clock.instant() - begun).as_secs() / 3600, 24);
    });
}
