//! Alarms out of the trail: each replica reads what all of them record, in the one order that it is recorded in.
//!
//! Refuses to say the same twice: all who hear the same say it under one id, whoever recorded the last of the events says it first, and
//! what the trail says already is left unsaid. Nothing that is recorded waits for this, because it is read when it is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{ALARMS, Ear, FAILURES, REMOVALS, Rules, log, whom};
use crate::audit::{AuditError, AuditFilter, AuditStore, Entry, Event, Kind, Order, Outcome, Place, SqlAudit};
use crate::clock::Timestamp;
use crate::crypto::random;

/// How often it is looked what other processes have recorded, and what could not be read or written is tried again.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks, however much happens.
const BREATH: Duration = Duration::from_millis(200);
/// How long an alarm is left to whoever recorded what set it off; by chance up to a second longer.
const OTHERS: Duration = Duration::from_secs(2);
/// Events read at once.
const PAGE: u32 = 1000;
/// Pages read at one look.
const PAGES: usize = 16;
/// Events of each sort that are read back at the start; the newest.
const BACK: u32 = 20_000;
/// Alarms that the trail has not taken yet; the newest.
const OWED: usize = 1024;

/// Says what follows from `trail`, until nobody can change the rules any more.
pub(super) async fn follow(trail: SqlAudit, mut rules: watch::Receiver<Rules>) {
    let (store, own, database): (Arc<dyn AuditStore>, _, _) =
        (Arc::new(trail.clone()), trail.source().chain(), trail.database().clone());
    // Others write to a server; to a file, only the commands do, and what they did is heard with what happens next.
    let every = if database.is_embedded() { None } else { Some(EVERY) };
    let mut commits = database.commits();
    loop {
        let mut hearing = Hearing::new(Arc::clone(&store), own, *rules.borrow_and_update());
        loop {
            let done = hearing.round(database.now()).await;
            let next = match done {
                Ok(()) => hearing.due().or_else(|| every.map(|every| Instant::now() + every)),
                Err(_) => Some(Instant::now() + EVERY),
            };
            tokio::select! {
                changed = rules.changed() => match changed {
                    // What counts under the new rules is read back from the trail.
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = more(&mut commits, next), if hearing.rules.count() => {}
            }
        }
    }
}

/// Until there may be more to hear or to say.
async fn more(commits: &mut watch::Receiver<u64>, next: Option<Instant>) {
    tokio::time::sleep(BREATH).await;
    let next = async {
        match next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = next => {}
        // The database lives as long as this.
        _ = commits.changed() => {}
    }
}

/// What was heard under some rules.
struct Hearing {
    trail: Arc<dyn AuditStore>,
    /// The chain of this process.
    own: Arc<str>,
    rules: Rules,
    ear: Ear,
    /// Up to which number the trail was heard; `None`: nothing was read back yet.
    heard: Option<i64>,
    owed: Vec<Owed>,
    failing: bool,
}

/// An alarm that is to be said, unless somebody else does until then.
struct Owed {
    alarm: Event,
    due: Instant,
}

impl Hearing {
    fn new(trail: Arc<dyn AuditStore>, own: &str, rules: Rules) -> Self {
        Self { trail, own: own.into(), rules, ear: Ear::default(), heard: None, owed: Vec::new(), failing: false }
    }

    /// Hears what there is and says what is due.
    async fn round(&mut self, now: Timestamp) -> Result<(), AuditError> {
        if !self.rules.count() {
            return Ok(());
        }
        let done = self.hear_and_say(now).await;
        if let Err(error) = &done
            && !self.failing
        {
            tracing::warn!(%error, "alarms wait for the store");
        }
        self.failing = done.is_err();
        done
    }

    async fn hear_and_say(&mut self, now: Timestamp) -> Result<(), AuditError> {
        let heard = match self.heard {
            Some(heard) => heard,
            None => self.read_back(now).await?,
        };
        self.read_on(heard).await?;
        self.say(Instant::now()).await
    }

    /// When the first alarm is to be said that is left to somebody else.
    fn due(&self) -> Option<Instant> {
        self.owed.iter().map(|owed| owed.due).min()
    }

    /// Hears what happened within the window before, as far as the trail has it.
    async fn read_back(&mut self, now: Timestamp) -> Result<i64, AuditError> {
        let window = self.rules.window;
        let newest = self.newest().await?;
        let since = |span| Some(now.before(span));
        let of = |kinds: &[Kind], outcome, since| AuditFilter {
            kinds: kinds.to_vec(),
            outcome,
            since,
            limit: BACK,
            ..AuditFilter::default()
        };
        let mut entries = Vec::new();
        if self.rules.repeated_failures > 0 {
            entries.extend(self.trail.list(&of(&FAILURES, Some(Outcome::Failure), since(window))).await?);
        }
        if self.rules.mass_deprovisioning > 0 {
            entries.extend(self.trail.list(&of(&REMOVALS, Some(Outcome::Success), since(window))).await?);
        }
        entries.retain(|entry| entry.seq <= newest);
        entries.sort_by_key(Entry::place);
        // First what was said: of what happened in the window before this one, too, because it may reach into this one.
        let said = self.trail.list(&of(&ALARMS, None, since(window * 2))).await?;
        said.iter().chain(&entries).for_each(|entry| self.hear(entry));
        self.heard = Some(newest);
        Ok(newest)
    }

    /// Hears what was recorded since; what is too much for one look, at the next.
    async fn read_on(&mut self, mut heard: i64) -> Result<(), AuditError> {
        // Numbers are given out under a lock that is held until they can be seen: nothing comes before this one later.
        let newest = self.newest().await?;
        for _ in 0..PAGES {
            if newest <= heard {
                break;
            }
            let next = AuditFilter {
                kinds: [&FAILURES[..], &REMOVALS, &ALARMS].concat(),
                order: Order::Recorded,
                from: Some(Place { at: Timestamp::default(), seq: heard }),
                limit: PAGE,
                ..AuditFilter::default()
            };
            let found = self.trail.search(&next).await?;
            found.entries.iter().for_each(|entry| self.hear(entry));
            let last = found.entries.last().map_or(heard, |entry| entry.seq);
            heard = found.next.map_or(newest, |next| next.seq).max(last);
            self.heard = Some(heard);
        }
        Ok(())
    }

    async fn newest(&self) -> Result<i64, AuditError> {
        let last = AuditFilter { order: Order::LastRecorded, limit: 1, ..AuditFilter::default() };
        Ok(self.trail.search(&last).await?.entries.first().map_or(0, |entry| entry.seq))
    }

    fn hear(&mut self, entry: &Entry) {
        let Some(event) = event(entry) else { return };
        if ALARMS.contains(&event.kind) {
            self.owed.retain(|owed| !is_said(&owed.alarm, &event, self.rules.window));
        }
        let due = Instant::now() + if entry.chain == *self.own { Duration::ZERO } else { OTHERS + chance() };
        self.owed.extend(self.ear.hear(&self.rules, &event).into_iter().map(|alarm| Owed { alarm, due }));
        let over = self.owed.len().saturating_sub(OWED);
        self.owed.drain(..over);
    }

    async fn say(&mut self, now: Instant) -> Result<(), AuditError> {
        let due: Vec<Event> = self.owed.iter().filter(|owed| owed.due <= now).map(|owed| owed.alarm.clone()).collect();
        if due.is_empty() {
            return Ok(());
        }
        self.trail.append(due.clone()).await?;
        due.iter().for_each(log);
        self.owed.retain(|owed| owed.due > now);
        Ok(())
    }
}

/// Whether `said` is what `owed` would say.
fn is_said(owed: &Event, said: &Event, window: Duration) -> bool {
    let apart = owed.at.since(said.at).max(said.at.since(owed.at));
    owed.kind == said.kind && whom(owed) == whom(said) && apart < window
}

/// An entry as the event that it was; `None` where another version wrote what cannot be read here.
fn event(entry: &Entry) -> Option<Event> {
    serde_json::to_value(entry).and_then(serde_json::from_value::<Event>).ok()
}

/// So that replicas that left an alarm to a dead one do not say it all at once.
fn chance() -> Duration {
    // Without randomness none waits longer.
    let part = random::bytes::<2>().map_or(0, u16::from_be_bytes);
    EVERY.mul_f64(f64::from(part) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::audit::Source;
    use crate::audit::moody::Moody;
    use crate::clock::{Clock as _, ManualClock};
    use crate::crypto::Secret;
    use crate::db::Database;
    use crate::model::TenantId;

    const WINDOW: Duration = Duration::from_secs(300);
    /// Longer than anything is left to others.
    const LATER: Duration = Duration::from_secs(10);

    /// Replicas on one store.
    struct House {
        clock: Arc<ManualClock>,
        database: Database,
    }

    impl House {
        async fn new() -> Self {
            let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000)));
            Self { database: Database::in_memory(clock.clone()).await.unwrap(), clock }
        }

        fn trail(&self, name: &str) -> SqlAudit {
            let key = Secret::new("0123456789abcdef0123456789abcdef".to_owned());
            SqlAudit::new(self.database.clone(), Source::new(name, &key, &[]).unwrap())
        }

        /// A replica that begins.
        async fn begun(&self, name: &str) -> Hearing {
            let rules = Rules { repeated_failures: 6, mass_deprovisioning: 6, window: WINDOW, learning: None };
            let mut hearing = Hearing::new(Arc::new(self.trail(name)), name, rules);
            hearing.round(self.clock.now()).await.unwrap();
            hearing
        }

        /// Somebody is tried at that replica, whose clock is so much ahead.
        async fn tried(&self, name: &str, ahead: u64) {
            let at = self.clock.now().after(Duration::from_secs(ahead));
            let mut event = Event::new(at, Kind::SignIn, Outcome::Failure, &TenantId::default());
            event.actor = Some("ada".to_owned());
            self.trail(name).append(vec![event]).await.unwrap();
        }

        async fn alarms(&self) -> Vec<String> {
            let all = AuditFilter { kinds: ALARMS.to_vec(), ..AuditFilter::default() };
            let said = self.trail("any").list(&all).await.unwrap();
            said.into_iter().map(|alarm| alarm.chain).collect()
        }
    }

    async fn all_hear(replicas: &mut [Hearing]) {
        for replica in replicas.iter_mut() {
            replica.read_on(replica.heard.unwrap()).await.unwrap();
        }
    }

    async fn all_say(replicas: &mut [Hearing], at: Instant) {
        for replica in replicas.iter_mut() {
            replica.say(at).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_spread_over_replicas_is_one_alarm_of_the_one_that_recorded_the_last_though_clocks_differ() {
        let house = House::new().await;
        let mut replicas = [house.begun("a").await, house.begun("b").await, house.begun("c").await];
        for round in 0..3 {
            for (name, ahead) in [("a", 0), ("b", 20), ("c", 7)] {
                house.tried(name, ahead).await;
                all_hear(&mut replicas).await;
                all_say(&mut replicas, Instant::now()).await;
            }
            house.clock.advance(Duration::from_secs(1));
            assert_eq!(house.alarms().await, ["c"; 1][..usize::from(round > 0)]);
        }
        all_hear(&mut replicas).await;
        assert!(replicas.iter().all(|replica| replica.owed.is_empty()), "they heard that it was said");
        all_say(&mut replicas, Instant::now() + LATER).await;
        assert_eq!(house.alarms().await, ["c"]);
    }

    #[tokio::test]
    async fn what_a_dead_replica_recorded_is_said_by_the_others_once_even_at_the_same_moment() {
        let house = House::new().await;
        let mut replicas = [house.begun("a").await, house.begun("b").await];
        for name in ["a", "b", "c", "a", "b", "c"] {
            house.tried(name, 0).await;
        }
        all_hear(&mut replicas).await;
        all_say(&mut replicas, Instant::now()).await;
        assert_eq!(house.alarms().await, [""; 0], "it is left to the one that recorded the last");
        // Neither hears the other before it speaks.
        all_say(&mut replicas, Instant::now() + LATER).await;
        assert_eq!(house.alarms().await, ["a"]);
    }

    #[tokio::test]
    async fn a_restart_forgets_neither_what_was_counted_nor_what_was_said() {
        let house = House::new().await;
        for _ in 0..5 {
            house.tried("a", 0).await;
        }
        house.clock.advance(WINDOW / 2);
        let mut begun = house.begun("a").await;
        house.tried("a", 0).await;
        assert_eq!(house.alarms().await, [""; 0]);
        begun.round(house.clock.now()).await.unwrap();
        assert_eq!(house.alarms().await, ["a"]);

        // Killed between the last event and the alarm, and while others begin, too.
        let other = House::new().await;
        for _ in 0..6 {
            other.tried("a", 0).await;
        }
        let mut replicas = [other.begun("a").await, other.begun("b").await];
        all_say(&mut replicas, Instant::now() + LATER).await;
        assert_eq!(other.alarms().await, ["a"]);

        // It was said a good while ago, which still reaches into the window that is read back.
        house.clock.advance(Duration::from_secs(290));
        for _ in 0..9 {
            house.tried("a", 0).await;
        }
        house.clock.advance(Duration::from_secs(30));
        house.begun("a").await;
        assert_eq!(house.alarms().await, ["a"]);
    }

    #[tokio::test]
    async fn what_was_recorded_before_the_window_is_over_and_other_events_hold_nothing_up() {
        let house = House::new().await;
        for _ in 0..5 {
            house.tried("a", 0).await;
        }
        house.clock.advance(WINDOW);
        let mut begun = house.begun("a").await;
        let quiet = |_| Event::new(house.clock.now(), Kind::AccessDenied, Outcome::Failure, &TenantId::default());
        for _ in 0..3 {
            house.trail("b").append((0..900).map(quiet).collect()).await.unwrap();
            house.tried("b", 0).await;
            house.tried("c", 0).await;
        }
        assert_eq!(house.alarms().await, [""; 0]);
        begun.round(house.clock.now()).await.unwrap();
        let down = Arc::new(Moody::default());
        down.down.store(true, Ordering::SeqCst);
        let store = std::mem::replace(&mut begun.trail, down);
        assert!(begun.say(Instant::now() + LATER).await.is_err(), "what the trail does not take stays owed");
        begun.trail = store;
        begun.say(Instant::now() + LATER).await.unwrap();
        assert_eq!(house.alarms().await, ["a"]);
        house.trail("b").append((0..50).map(quiet).collect()).await.unwrap();
        begun.round(house.clock.now()).await.unwrap();
        assert_eq!(begun.heard, Some(begun.newest().await.unwrap()));
    }
}
