//! From which networks keys and clients are used: gathered in memory, learnt by the store, and told where one is new.
//!
//! Refuses to ask the store for each request, and to remember without bound: a network that is known is not asked about again for an hour,
//! and of a program that is used from everywhere nothing more is learnt, because no network is new to it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use moka::future::Cache;

use super::DirectoryError;
use crate::batch::{Batched, Gathered};
use crate::clock::{SharedClock, Timestamp};
use crate::latest::Latest;
use crate::model::{ProgramKind, TenantId, UserId};

/// Networks that are kept of each program.
pub const MOST_NETWORKS: i64 = 64;
/// Visits of one write.
const CHUNK: usize = 500;
/// Networks that need not be asked about, and for how long.
const KNOWN: u64 = 100_000;
const KNOWN_FOR: Duration = Duration::from_secs(3600);
/// How long a replica may be at telling something before another does, because it was ended in between.
const TELLING: Duration = Duration::from_secs(60);

/// The network that stands for whoever is at `address`: a /24, or a /48 as one site has it (RFC 6177 §2).
#[must_use]
pub fn neighbourhood(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Net::new_assert(address, 24).trunc().into(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, 48).trunc().into(),
    }
}

/// Somebody used a program from somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Visit {
    pub kind: ProgramKind,
    pub id: String,
    pub address: IpAddr,
}

/// A program is used from a network that it never was used from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNetwork {
    pub kind: ProgramKind,
    pub id: String,
    pub tenant: TenantId,
    pub owner: Option<UserId>,
    pub network: IpNet,
    /// From where it was.
    pub address: IpAddr,
    pub at: Timestamp,
}

/// Where it is kept from which networks programs are used.
#[async_trait]
pub trait Networks: fmt::Debug + Send + Sync {
    /// Keeps the networks of `visits`. Those are answered, and are to be told, that are new to a program of which has been learnt for longer
    /// than `learning`; `None`: none is. Each is answered to one caller.
    async fn learn(&self, visits: &[(Visit, Timestamp)], learning: Option<Duration>) -> Result<Vec<NewNetwork>, DirectoryError>;
    /// What somebody was to tell before `before` and did not; they are given up, and whoever asks tells it from `now` on.
    async fn untold(&self, before: Timestamp, now: Timestamp) -> Result<Vec<NewNetwork>, DirectoryError>;
    /// These were told.
    async fn told(&self, new: &[NewNetwork]) -> Result<(), DirectoryError>;
    /// Forgets networks that were last used before `before`, and all of programs that nobody can use any more. Says how many.
    async fn purge_networks(&self, before: Timestamp) -> Result<u64, DirectoryError>;
}

/// Who is told of new networks.
#[async_trait]
pub trait Watch: fmt::Debug + Send + Sync {
    /// How long it is learnt where a program is used before a network is new; `None`: nobody wants to know.
    fn learning(&self) -> Option<Duration>;
    /// Durable when it returns.
    async fn tell(&self, new: &[NewNetwork]);
}

/// Gathers where programs are used from, and has it learnt now and then.
pub type Visits = Batched<Seen>;

#[derive(Debug)]
pub struct Seen {
    networks: Arc<dyn Networks>,
    watch: Arc<dyn Watch>,
    clock: SharedClock,
    visits: Latest<Visit>,
    known: Cache<(ProgramKind, String, IpNet), ()>,
    /// When it was last looked for what others did not tell, in milliseconds since 1970.
    looked: AtomicI64,
}

impl Visits {
    /// Learns what was gathered each `period`.
    #[must_use]
    pub fn start(networks: Arc<dyn Networks>, watch: Arc<dyn Watch>, clock: SharedClock, period: Duration) -> Self {
        let known = Cache::builder().max_capacity(KNOWN).time_to_live(KNOWN_FOR).build();
        Self::each(period, Seen { networks, watch, clock, visits: Latest::default(), known, looked: AtomicI64::default() })
    }
}

impl Seen {
    /// The program was used from there. Costs no I/O.
    pub fn seen(&self, kind: ProgramKind, id: &str, address: IpAddr, at: Timestamp) {
        self.visits.note(&Visit { kind, id: id.to_owned(), address }, at);
    }

    /// One visit for each network that is not known to be known, in one order on every replica, so that none waits for another that waits
    /// for it.
    fn take(&self) -> Vec<(Visit, Timestamp)> {
        let mut places = HashMap::new();
        for (visit, at) in self.visits.take() {
            let place = place(&visit);
            if !self.known.contains_key(&place) {
                places.insert(place, (visit, at));
            }
        }
        let mut visits: Vec<_> = places.into_iter().collect();
        visits.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        visits.into_iter().map(|(_, visit)| visit).collect()
    }

    async fn tell(&self, new: &[NewNetwork]) -> Result<(), DirectoryError> {
        if new.is_empty() {
            return Ok(());
        }
        self.watch.tell(new).await;
        self.networks.told(new).await
    }

    /// Tells what a replica that was ended had begun to tell.
    async fn tell_rest(&self) -> Result<(), DirectoryError> {
        let now = self.clock.now();
        if now.since(Timestamp::from_millis(self.looked.load(Ordering::Relaxed))) < TELLING {
            return Ok(());
        }
        let rest = self.networks.untold(now.before(TELLING), now).await?;
        self.looked.store(now.millis(), Ordering::Relaxed);
        self.tell(&rest).await
    }
}

fn place(visit: &Visit) -> (ProgramKind, String, IpNet) {
    (visit.kind, visit.id.clone(), neighbourhood(visit.address))
}

impl Gathered for Seen {
    type Error = DirectoryError;
    const WHAT: &'static str = "networks that keys and clients were used from";

    async fn flush(&self) -> Result<(), DirectoryError> {
        let mut failure = self.tell_rest().await;
        for chunk in self.take().chunks(CHUNK) {
            let learnt = match failure {
                Ok(()) => self.networks.learn(chunk, self.watch.learning()).await,
                Err(error) => Err(error),
            };
            failure = match learnt {
                Ok(new) => {
                    for (visit, _) in chunk {
                        self.known.insert(place(visit), ()).await;
                    }
                    self.tell(&new).await
                }
                Err(error) => {
                    for (visit, at) in chunk {
                        self.visits.note(visit, *at);
                    }
                    Err(error)
                }
            };
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network_and_others_are_another() {
        let of = |address: &str| neighbourhood(address.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.0/24");
        assert_eq!((of("192.0.2.255"), of("::ffff:192.0.2.9")), (of("192.0.2.7"), of("192.0.2.7")));
        assert_ne!(of("192.0.3.7"), of("192.0.2.7"));
        assert_eq!(of("2001:db8:1:ffff::1"), "2001:db8:1::/48");
        assert_ne!(of("2001:db8:2::1"), of("2001:db8:1::1"));
    }
}
