//! One sink at work: what its chains have is sent, and its cursors follow.
//!
//! Refuses to move a cursor past what the receiver has not taken, and to send for a chain whose cursor somebody else holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Backoff;
use super::batch::{self, Sent};
use super::cursor::{Cursor, Cursors, LEASE};
use super::letter::{self, Letter};
use super::meter::Meter;
use super::planned::Planned;
use super::transport::Outgoing;
use crate::audit::{AuditError, AuditStore, Entry, Head};
use crate::clock::Timestamp;

/// Events read at once.
const PAGE: u32 = 1000;
/// The same while the receiver does not take any: each try makes all of them ready to be sent.
const TRIED: u32 = 50;
/// How often a cursor that is held is claimed anew while nothing moves it.
const RENEWAL: Duration = Duration::from_secs(3);
/// How long another replica's events may lie before they are taken over.
const ABANDONED: Duration = Duration::from_secs(10);
/// How often it is looked for letters to send again.
const LETTERS: Duration = Duration::from_secs(2);
/// Between two tries to read or write the store.
const STORE: Duration = Duration::from_secs(1);

/// What a sink's task is told.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Run(Arc<Planned>),
    /// Deliver what can be, without waiting for anything, and end.
    Finish,
    /// End after the batch that is under way.
    Leave,
}

/// One sink at work.
pub(super) struct Engine {
    pub sink: Arc<Planned>,
    pub orders: watch::Receiver<Order>,
    /// Where the chains stand, as far as it is known.
    pub heads: watch::Receiver<Arc<[Head]>>,
    pub trail: Arc<dyn AuditStore>,
    pub cursors: Cursors,
    pub meter: Arc<Meter>,
    /// The chain of this process.
    pub own: Arc<str>,
    /// This task, as nobody else is called.
    pub holder: String,
    pub state: State,
}

/// What it remembers from one round to the next.
#[derive(Default)]
pub(super) struct State {
    pub(super) held: HashMap<String, Cursor>,
    /// Where others' cursors were seen to stand still, and since when.
    still: HashMap<String, (i64, Instant)>,
    /// Until when the events of a chain wait for others.
    gathering: HashMap<String, Instant>,
    pub(super) backoff: Backoff,
    letters_at: Option<Instant>,
    pub(super) letters: i64,
}

/// Why a round ended early.
pub(super) enum Stop {
    /// The receiver cannot now.
    Later(Duration),
    /// The store cannot now.
    Store(AuditError),
    /// Somebody else holds the cursor.
    NotHeld,
}

impl From<AuditError> for Stop {
    fn from(error: AuditError) -> Self {
        Self::Store(error)
    }
}

/// When there may be more to do.
enum Next {
    Now,
    At(Instant),
}

impl Engine {
    pub(super) async fn run(mut self) {
        self.begin().await;
        while !self.is_told_to_leave() {
            self.heads.mark_unchanged();
            let next = self.round().await;
            if self.is_finishing() && !matches!(next, Ok(Next::Now)) {
                break;
            }
            let at = match next {
                Ok(Next::Now) => continue,
                Ok(Next::At(at)) => at,
                Err(Stop::Later(after)) => {
                    self.rest(after).await;
                    continue;
                }
                Err(Stop::NotHeld) => Instant::now() + STORE,
                Err(Stop::Store(error)) => {
                    tracing::warn!(sink = self.sink.id(), %error, "events wait for the store before they can be delivered");
                    Instant::now() + STORE
                }
            };
            tokio::select! {
                () = sleep_until(at) => {}
                // Whatever is told or has happened, the next round looks.
                _ = self.orders.changed() => self.obey(),
                _ = self.heads.changed() => {}
            }
        }
        self.release().await;
    }

    /// A sink that was never there before begins where it is to.
    async fn begin(&mut self) {
        loop {
            let begun = match self.trail.heads().await {
                Ok(heads) => self.cursors.begin(self.sink.id(), self.sink.typed.from, heads).await,
                Err(error) => Err(error),
            };
            match begun {
                Ok(()) => return,
                Err(_) if self.is_told_to_leave() || self.is_finishing() => return,
                Err(error) => tracing::warn!(sink = self.sink.id(), %error, "the sink waits for the store"),
            }
            sleep(STORE).await;
        }
    }

    fn is_told_to_leave(&self) -> bool {
        matches!(*self.orders.borrow(), Order::Leave)
    }

    fn is_finishing(&self) -> bool {
        matches!(*self.orders.borrow(), Order::Finish)
    }

    fn obey(&mut self) {
        if let Order::Run(sink) = &*self.orders.borrow_and_update() {
            self.sink = Arc::clone(sink);
            self.state.backoff = Backoff::default();
        }
    }

    /// Takes every chain as far as it can be taken now.
    async fn round(&mut self) -> Result<Next, Stop> {
        let now = Instant::now();
        if self.state.letters_at.is_none_or(|at| now >= at) {
            self.state.letters_at = Some(now + LETTERS);
            self.letters().await?;
        }
        let heads = Arc::clone(&self.heads.borrow());
        let standing = self.standing(&heads).await?;
        let mut next = now + LETTERS;
        for head in &*heads {
            let link = standing.get(&head.chain).map_or(0, |cursor| cursor.link);
            if head.link <= link {
                self.state.still.remove(&head.chain);
                self.meter.waits_not(&head.chain);
                continue;
            }
            if !self.hold(head, standing.get(&head.chain)).await? {
                if *head.chain == *self.own {
                    self.meter.waits_from(&head.chain, head.link - link, self.cursors.now());
                }
                next = next.min(now + STORE);
                continue;
            }
            match self.chain(head).await? {
                Next::Now => return Ok(Next::Now),
                Next::At(at) => next = next.min(at),
            }
        }
        Ok(Next::At(next))
    }

    /// Where the sink is in each chain: as this task knows where it holds the cursor, else as the store says.
    async fn standing(&self, heads: &[Head]) -> Result<HashMap<String, Cursor>, Stop> {
        if heads.iter().all(|head| self.state.held.contains_key(&head.chain)) {
            return Ok(self.state.held.clone());
        }
        let mut standing: HashMap<String, Cursor> =
            self.cursors.list(Some(self.sink.id())).await?.into_iter().map(|cursor| (cursor.chain.clone(), cursor)).collect();
        standing.extend(self.state.held.clone());
        Ok(standing)
    }

    /// Whether this task may deliver the chain: it is this process's own, or its replica is gone.
    async fn hold(&mut self, head: &Head, cursor: Option<&Cursor>) -> Result<bool, Stop> {
        let now = self.cursors.now();
        if self.state.held.get(&head.chain).is_some_and(|held| held.until.since(now) > RENEWAL) {
            return Ok(true);
        }
        let link = cursor.map_or(0, |cursor| cursor.link);
        let mine = self.state.held.contains_key(&head.chain) || *head.chain == *self.own;
        let still = self.state.still.entry(head.chain.clone()).or_insert((link, Instant::now()));
        if still.0 != link {
            *still = (link, Instant::now());
        }
        if !mine && (still.1.elapsed() < ABANDONED || cursor.is_some_and(|cursor| cursor.until > now)) {
            return Ok(false);
        }
        let taken = self.cursors.take(self.sink.id(), &head.chain, &self.holder).await?;
        let held = taken.is_some();
        match taken {
            Some(cursor) => drop(self.state.held.insert(head.chain.clone(), cursor)),
            None => drop(self.state.held.remove(&head.chain)),
        }
        Ok(held)
    }

    /// Delivers the next page of a chain that is held.
    async fn chain(&mut self, head: &Head) -> Result<Next, Stop> {
        let Some(mut cursor) = self.state.held.get(&head.chain).cloned() else { return Err(Stop::NotHeld) };
        let many = head.link - cursor.link >= count(self.sink.most().events);
        if let Some(until) = self.state.gathering.get(&head.chain)
            && !many
            && Instant::now() < *until
            && !self.is_finishing()
        {
            return Ok(Next::At(*until));
        }
        let most = if self.meter.is_failing() { TRIED } else { PAGE };
        let page = self.trail.following(&head.chain, cursor.link, most).await?;
        let Some(first) = page.first() else {
            // The head was read before somebody else moved the cursor, or all of it left with retention.
            if head.link > cursor.link && head.first_link > head.link {
                let lost = head.link - cursor.link;
                self.count_lost(&mut cursor, lost);
                cursor.link = head.link;
                self.keep(cursor, Vec::new()).await?;
            }
            return Ok(Next::At(Instant::now() + STORE));
        };
        self.meter.waits(&head.chain, head.link - cursor.link, first.at);
        let full = page.len() >= self.sink.most().events.min(most as usize);
        let age = self.cursors.now().since(first.at);
        let wait = self.sink.typed.batch.wait.0;
        if !full && age < wait && !self.is_finishing() {
            let until = Instant::now() + wait.saturating_sub(age);
            self.state.gathering.insert(head.chain.clone(), until);
            return Ok(Next::At(until));
        }
        self.state.gathering.remove(&head.chain);
        self.page(cursor, &page).await?;
        let ended = page.len() < most as usize;
        if self.state.held.get(&head.chain).is_none_or(|cursor| cursor.link >= head.link) {
            self.meter.waits_not(&head.chain);
        }
        if ended && *head.chain != *self.own {
            // Its own replica may be there again.
            self.give_back(&head.chain).await?;
        }
        Ok(Next::Now)
    }

    /// Sends what of `page` is for the sink, in batches, and moves the cursor to its end.
    async fn page(&mut self, mut cursor: Cursor, page: &[Entry]) -> Result<(), Stop> {
        let mut expected = cursor.link + 1;
        let mut missing = 0;
        for entry in page {
            missing += entry.link - expected;
            expected = entry.link + 1;
        }
        self.count_lost(&mut cursor, missing);
        let events: Vec<Outgoing> = page.iter().filter_map(|entry| self.sink.outgoing(entry)).collect();
        let mut from = 0;
        while from < events.len() {
            let to = batch::end(&self.sink, &events, from);
            cursor = self.batch(cursor, &events[from..to]).await?;
            from = to;
            if self.orders.has_changed().unwrap_or(false) {
                // What is told now may be another form, another filter or the end.
                self.obey();
                return Ok(());
            }
        }
        cursor.link = expected - 1;
        self.keep(cursor, Vec::new()).await
    }

    /// Sends one batch and moves the cursor behind what was taken.
    async fn batch(&mut self, mut cursor: Cursor, events: &[Outgoing]) -> Result<Cursor, Stop> {
        let room = usize::try_from(letter::MOST - self.state.letters).unwrap_or(0);
        let sent = self.send(&mut cursor, events, room).await;
        let at = self.cursors.now();
        let letters: Vec<Letter> = sent.refused.iter().map(|(place, why)| self.letter(&events[*place], why)).collect();
        if let Some(last) = sent.done.checked_sub(1) {
            cursor.link = events[last].link;
            cursor.moved_at = Some(at);
            cursor.sent += count(sent.taken);
            cursor.refused += count(letters.len());
            self.meter.count(sent.taken as u64, letters.len() as u64, 0);
        }
        for letter in &letters {
            let Letter { sink, event, kind, why, .. } = letter;
            tracing::error!(sink, event, kind, why, "a receiver refuses an event; it is kept as a dead letter");
        }
        self.state.letters += count(letters.len());
        self.meter.letters(self.state.letters);
        let Some((why, after)) = sent.later else {
            self.succeeded();
            (cursor.failing_since, cursor.error) = (None, None);
            self.keep(cursor.clone(), letters).await?;
            return Ok(cursor);
        };
        let since = self.failed(&why);
        (cursor.failing_since, cursor.error) = (Some(since), Some(why));
        self.keep(cursor, letters).await?;
        Err(Stop::Later(self.state.backoff.next(after)))
    }

    /// Sends, and claims the cursor anew for as long as that takes.
    pub(super) async fn send(&self, cursor: &mut Cursor, events: &[Outgoing], room: usize) -> Sent {
        let sending = batch::send(&self.sink, events, room);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                sent = &mut sending => return sent,
                () = sleep(RENEWAL) => {
                    let renewed = Cursor { until: self.cursors.now().after(LEASE), ..cursor.clone() };
                    if let Ok(true) = self.cursors.keep(&renewed, Vec::new()).await {
                        *cursor = renewed;
                    } else {
                        tracing::warn!(sink = self.sink.id(), "the cursor could not be claimed anew");
                    }
                }
            }
        }
    }

    pub(super) fn letter(&self, event: &Outgoing, why: &str) -> Letter {
        Letter {
            sink: self.sink.id().to_owned(),
            chain: event.chain.clone(),
            link: event.link,
            event: event.id.clone(),
            kind: event.kind.clone(),
            refused_at: self.cursors.now(),
            why: why.to_owned(),
            again_at: None,
        }
    }

    /// Keeps where the cursor is, claimed anew. What was sent is not forgotten while the store cannot be written.
    pub(super) async fn keep(&mut self, mut cursor: Cursor, letters: Vec<Letter>) -> Result<(), Stop> {
        let kept = loop {
            cursor.until = self.cursors.now().after(LEASE);
            match self.cursors.keep(&cursor, letters.clone()).await {
                Ok(kept) => break kept,
                Err(error) if self.is_finishing() => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(sink = self.sink.id(), %error, "how far the sink is could not be kept");
                    sleep(STORE).await;
                }
            }
        };
        let chain = cursor.chain.clone();
        if kept {
            self.state.held.insert(chain, cursor);
            return Ok(());
        }
        self.state.held.remove(&chain);
        Err(Stop::NotHeld)
    }

    /// Waits before the next try, and goes on claiming what it holds.
    async fn rest(&mut self, after: Duration) {
        let until = Instant::now() + after;
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                _ = self.orders.changed() => return self.obey(),
                () = sleep(RENEWAL) => {}
            }
            for mut cursor in self.state.held.clone().into_values() {
                cursor.until = self.cursors.now().after(LEASE);
                match self.cursors.keep(&cursor, Vec::new()).await {
                    Ok(true) => drop(self.state.held.insert(cursor.chain.clone(), cursor)),
                    Ok(false) => drop(self.state.held.remove(&cursor.chain)),
                    Err(error) => tracing::warn!(sink = self.sink.id(), %error, "the cursor could not be claimed anew"),
                }
            }
        }
    }

    pub(super) async fn give_back(&mut self, chain: &str) -> Result<(), AuditError> {
        let Some(cursor) = self.state.held.remove(chain) else { return Ok(()) };
        self.meter.waits_not(chain);
        self.state.still.remove(chain);
        self.cursors.release(&cursor).await
    }

    async fn release(&mut self) {
        for chain in self.state.held.keys().cloned().collect::<Vec<_>>() {
            if let Err(error) = self.give_back(&chain).await {
                tracing::warn!(sink = self.sink.id(), %error, "a cursor was not released; others wait some seconds for it");
            }
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.state.backoff = Backoff::default();
        if let Some(since) = self.meter.succeed() {
            tracing::info!(sink = self.sink.id(), %since, "events are delivered again");
        }
    }

    /// Says since when.
    pub(super) fn failed(&self, why: &str) -> Timestamp {
        let at = self.cursors.now();
        let since = self.meter.fail(at, why);
        if since == at {
            tracing::warn!(sink = self.sink.id(), why, "events cannot be delivered; they wait in the store");
        }
        since
    }

    fn count_lost(&self, cursor: &mut Cursor, lost: i64) {
        if lost > 0 {
            cursor.lost += lost;
            self.meter.count(0, 0, u64::try_from(lost).unwrap_or(0));
            let chain = &cursor.chain;
            tracing::error!(sink = self.sink.id(), chain, lost, "events left with retention before they could be delivered");
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
