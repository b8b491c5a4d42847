//! Ends the live streams of whoever may no longer have them: WebSockets, event streams, gRPC calls.
//!
//! Refuses to end a stream on a rumour: a change only says whom to look at, and the store says whether they are still let in, so that
//! a person whose name was brought up to date keeps theirs. And it refuses to miss one that began while the change was being told: each
//! stream is looked at once after it began (threats H9).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::StreamExt as _;
use tokio::time::MissedTickBehavior;

use super::memory::Memory;
use crate::clock::{SharedClock, Timestamp};
use crate::edge::{CloseReason, LiveStreams};
use crate::model::{Change, CredentialKind, Identity, ProgramKind};
use crate::proxy::gateway::Gateway;
use crate::revocation::{FeedState, Subscription};

/// How often new streams and ends of life are looked for; costs a lock when there are none.
const LOOK: Duration = Duration::from_millis(500);
/// How long a stream goes on though nothing can be heard and nobody asked whether it may: long enough for a database to fail over.
const BORNE: Duration = Duration::from_secs(30);
/// Identities asked about at the same time.
const AT_ONCE: usize = 16;

/// What the stores could not say.
type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Those who know whether somebody is still let in: the stores, and the configuration in force.
#[derive(Clone)]
pub(super) struct Judges {
    pub memory: Memory,
    pub gateway: Arc<ArcSwap<Gateway>>,
    pub clock: SharedClock,
}

/// Watches over the streams for as long as it is polled.
pub(super) async fn watch(mut changes: Subscription, streams: LiveStreams, judges: Judges) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Whom the store could not be asked about; asked again until it answers.
    let mut unsettled: Vec<Arc<Identity>> = Vec::new();
    loop {
        let mut suspects = tokio::select! {
            change = changes.next() => match change {
                Some(change) => {
                    if change == Change::Everything {
                        // They are among those who are about to be asked for.
                        unsettled.clear();
                    }
                    streams.identities(|identity| concerns(&change, identity))
                }
                None => return,
            },
            _ = ticks.tick() => {
                streams.close_expired(judges.clock.now());
                streams.newcomers()
            }
        };
        suspects.append(&mut unsettled);
        unsettled = settle(suspects, &streams, &judges).await;
        if is_cut_off(&judges) {
            give_up(&std::mem::take(&mut unsettled), &streams);
        }
    }
}

/// Whether nothing could be heard for longer than a stream goes on without anybody to ask.
fn is_cut_off(judges: &Judges) -> bool {
    match judges.memory.bus().state() {
        FeedState::Following => false,
        FeedState::BlindSince(since) => judges.clock.now().since(since) >= BORNE,
    }
}

/// Ends the streams of those whom no store will vouch for: they may have been revoked long ago, elsewhere.
fn give_up(unsettled: &[Arc<Identity>], streams: &LiveStreams) {
    let mut ended = 0;
    for suspect in unsettled {
        ended += streams.close_where(CloseReason::Revoked, |one| is_same(one, suspect));
    }
    if ended > 0 {
        tracing::warn!(ended, "live streams were ended, because the store could not be asked about them for too long");
    }
}

/// Ends the streams of those of `suspects` who are no longer let in; answers those whom the store could not be asked about.
async fn settle(suspects: Vec<Arc<Identity>>, streams: &LiveStreams, judges: &Judges) -> Vec<Arc<Identity>> {
    let asked = futures::stream::iter(suspects).map(|identity| async move {
        let stands = stands(&identity, judges).await;
        (identity, stands)
    });
    let mut unsettled = Vec::new();
    let mut answers = asked.buffer_unordered(AT_ONCE);
    while let Some((suspect, stands)) = answers.next().await {
        match stands {
            Ok(true) => {}
            Ok(false) => {
                let ended = streams.close_where(CloseReason::Revoked, |one| is_same(one, &suspect));
                tracing::info!(ended, subject = %suspect.subject, "live streams were ended");
            }
            Err(error) => {
                tracing::warn!(%error, "whether live streams may go on could not be asked; asking again");
                unsettled.push(suspect);
            }
        }
    }
    unsettled
}

/// Whether a change in the store is about this identity.
fn concerns(change: &Change, identity: &Identity) -> bool {
    match change {
        Change::Everything => true,
        Change::Connections => false,
        Change::Session(digest) => identity.session_digest.as_ref() == Some(digest),
        Change::User(user) => identity.user == Some(*user),
        Change::Program(kind, id) => program_of(identity) == Some(*kind) && identity.subject == *id,
    }
}

fn program_of(identity: &Identity) -> Option<ProgramKind> {
    match identity.credential {
        CredentialKind::ApiKey => Some(ProgramKind::ApiKey),
        CredentialKind::ClientSecret => Some(ProgramKind::Client),
        // A token of Doorward's own is its client's; those of others have an issuer.
        CredentialKind::Bearer if identity.issuer.is_none() => Some(ProgramKind::Client),
        _ => None,
    }
}

/// The same session, the same program, or the same token.
fn is_same(one: &Identity, other: &Identity) -> bool {
    let told = |identity: &Identity| (identity.credential, identity.session_digest, identity.expires_at);
    told(one) == told(other) && (&one.subject, &one.issuer) == (&other.subject, &other.issuer)
}

/// Whether they are still let in. What is in no store stands until it expires.
async fn stands(identity: &Identity, judges: &Judges) -> Result<bool, StoreError> {
    let (memory, now) = (&judges.memory, judges.clock.now());
    if identity.has_expired(now) || judges.gateway.load().authn.has_lost_its_account(identity) {
        return Ok(false);
    }
    // A sealed session need not be in the store; what is there counts.
    let is_sealed = identity.renew_at.is_some();
    if let Some(digest) = &identity.session_digest {
        let found = memory.sessions.find(digest).await?;
        if found.map_or(!is_sealed, |session| session.revoked_at.is_some()) {
            return Ok(false);
        }
    }
    if let Some(kind) = program_of(identity) {
        let found = memory.directory.program(kind, &identity.subject).await?;
        let live = |end: Option<Timestamp>| end.is_none_or(|end| now < end);
        if !found.is_some_and(|program| program.revoked_at.is_none() && live(program.expires_at)) {
            return Ok(false);
        }
    }
    match identity.user {
        Some(user) => Ok(memory.directory.user(user).await?.map_or(is_sealed, |user| user.active)),
        None => Ok(true),
    }
}
