//! Facts about finding events: whatever is asked, what comes is what a plain look at every event would have found.

use doorward::audit::what::RoleAssigned;
use doorward::audit::{AuditFilter, AuditStore, Entry, Event, Kind, Order, Outcome as Ending, Severity};
use doorward::clock::Timestamp;

use super::{Backend, Outcome, at, tenant};

/// More than the first stretches of a search, so that one search goes over several.
const EVENTS: u64 = 7000;
const KINDS: [Kind; 6] =
    [Kind::SignIn, Kind::SignOut, Kind::CredentialRefused, Kind::UserChanged, Kind::BreakGlassUsed, Kind::AccountLocked];
const ADA: &str = "0b0f9c2e-6c5b-4a8e-9a43-1f8f6a1f7f10";
const EVE: &str = "7a1d3c5e-0000-4000-8000-1f8f6a1f7f11";
const SOURCES: [&str; 6] = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.10", "2001:db8::1"];
const WHO: [Option<&str>; 7] =
    [Some(ADA), Some(EVE), Some("cli:root"), Some("ada@acme.example"), Some("ada"), Some("0f3kx"), None];

/// The same numbers at every run.
struct Dice(u64);

impl Dice {
    /// One of so many.
    fn one_of(&mut self, many: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % many
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.one_of(from.len() as u64)).unwrap_or(0)].clone()
    }

    /// Now and then.
    fn maybe<T>(&mut self, one_in: u64, made: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.one_of(one_in) == 0).then(|| made(self))
    }

    fn text(&mut self, from: &[&str]) -> String {
        self.pick(from).to_owned()
    }

    fn event(&mut self) -> Outcome<Event> {
        let name = if self.one_of(1000) == 0 { "rare" } else { self.pick(&["default", "acme"]) };
        // Not in the order in which they are recorded, and several in one moment.
        let mut event =
            Event::new(self.moment(), self.pick(&KINDS), self.pick(&[Ending::Success, Ending::Failure]), &tenant(name)?);
        event.reason = self.pick(&[None, Some("wrong_password"), Some("unknown")]).map(Into::into);
        event.actor = self.pick(&WHO).map(str::to_owned);
        event.target = self.pick(&WHO).map(str::to_owned);
        // One of them so often that its events are not put in order by themselves.
        event.source = self.maybe(2, |dice| dice.pick(&SOURCES)).map(str::parse).transpose()?;
        event.user_agent = self.maybe(2, |_| "agent \"source\":\"192.0.2.1\"".to_owned());
        event.session = self.maybe(5, |dice| dice.text(&["handle-1", "handle-2"]));
        event.request_id = self.maybe(5, |dice| format!("request-{}", dice.one_of(1000)));
        if self.one_of(50) == 0 {
            event.tell(RoleAssigned { administrator: true, ..RoleAssigned::default() });
        }
        Ok(event)
    }

    fn moment(&mut self) -> Timestamp {
        Timestamp::from_millis(at(0).millis() + i64::try_from(self.one_of(EVENTS / 4)).unwrap_or(0))
    }

    fn filter(&mut self) -> Outcome<AuditFilter> {
        let names: Vec<&str> = WHO.into_iter().flatten().collect();
        Ok(AuditFilter {
            since: self.maybe(3, Self::moment),
            until: self.maybe(3, Self::moment),
            kinds: self.maybe(3, |dice| (0..=dice.one_of(3)).map(|_| dice.pick(&KINDS)).collect()).unwrap_or_default(),
            actor: self.maybe(4, |dice| dice.text(&names)),
            target: self.maybe(4, |dice| dice.text(&names)),
            users: self.maybe(4, |dice| (0..=dice.one_of(2)).map(|_| dice.text(&names)).collect()).unwrap_or_default(),
            tenant: self.maybe(3, |dice| dice.text(&["default", "acme", "rare"])),
            outcome: self.maybe(5, |dice| dice.pick(&[Ending::Success, Ending::Failure])),
            severity: self.maybe(4, |dice| dice.pick(&Severity::ALL)),
            reason: self.maybe(6, |_| "wrong_password".to_owned()),
            source: self.maybe(6, |dice| dice.pick(&["192.0.2.1", "2001:db8::1"])).map(str::parse).transpose()?,
            session: self.maybe(8, |_| "handle-1".to_owned()),
            request_id: self.maybe(12, |_| "request-7".to_owned()),
            order: self.pick(&[Order::Newest, Order::Oldest, Order::Recorded, Order::LastRecorded]),
            limit: u32::try_from(30 + self.one_of(400)).unwrap_or(1),
            ..AuditFilter::default()
        })
    }
}

/// What an index of its own answers.
fn one_question_each(with: AuditFilter) -> Outcome<Vec<AuditFilter>> {
    Ok(vec![
        AuditFilter { severity: Some(Severity::Alarm), ..with.clone() },
        AuditFilter { request_id: Some("request-7".to_owned()), ..with.clone() },
        AuditFilter { source: Some("192.0.2.1".parse()?), ..with.clone() },
        AuditFilter { source: Some("192.0.2.10".parse()?), ..with.clone() },
        AuditFilter { source: Some("192.0.2.10".parse()?), outcome: Some(Ending::Failure), since: Some(at(1)), ..with.clone() },
        AuditFilter { source: Some("2001:db8::2".parse()?), ..with },
    ])
}

/// Whether it is what was asked, by a plain look at it.
fn fits(filter: &AuditFilter, event: &Event) -> bool {
    let is = |asked: &Option<String>, has: Option<&String>| asked.as_ref().is_none_or(|asked| has == Some(asked));
    let either = |name: &String| event.actor.as_ref() == Some(name) || event.target.as_ref() == Some(name);
    filter.since.is_none_or(|since| event.at >= since)
        && filter.until.is_none_or(|until| event.at < until)
        && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
        && is(&filter.actor, event.actor.as_ref())
        && is(&filter.target, event.target.as_ref())
        && (filter.users.is_empty() || filter.users.iter().any(either))
        && is(&filter.tenant, Some(&event.tenant))
        && filter.outcome.is_none_or(|outcome| event.outcome == outcome)
        && filter.severity.is_none_or(|least| event.severity() >= least)
        && is(&filter.reason, event.reason.as_deref().map(str::to_owned).as_ref())
        && filter.source.is_none_or(|source| event.source == Some(source))
        && is(&filter.session, event.session.as_ref())
        && is(&filter.request_id, event.request_id.as_ref())
}

/// The places, among all that were recorded, of those that fit.
fn expected(filter: &AuditFilter, events: &[Event]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..events.len()).filter(|place| fits(filter, &events[*place])).collect();
    match filter.order {
        Order::Newest => places.sort_by_key(|place| std::cmp::Reverse((events[*place].at, *place))),
        Order::Oldest => places.sort_by_key(|place| (events[*place].at, *place)),
        Order::LastRecorded => places.reverse(),
        Order::Recorded => {}
    }
    places
}

/// Every page, one after the other.
async fn walked(audit: &dyn AuditStore, filter: &AuditFilter) -> Outcome<Vec<Entry>> {
    let (mut filter, mut all) = (filter.clone(), Vec::new());
    loop {
        let found = audit.search(&filter).await?;
        assert!(found.entries.len() <= filter.limit as usize);
        all.extend(found.entries);
        match found.next {
            Some(next) => filter.from = Some(next),
            None => return Ok(all),
        }
    }
}

pub(crate) async fn whatever_is_asked_is_found_once_and_nothing_else(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    let mut dice = Dice(5);
    let events: Vec<Event> = (0..EVENTS).map(|_| dice.event()).collect::<Outcome<_>>()?;
    for batch in events.chunks(500) {
        audit.append(batch.to_vec()).await?;
    }
    let numbers: Vec<i64> = walked(&*audit, &AuditFilter { order: Order::Recorded, limit: 500, ..AuditFilter::default() })
        .await?
        .iter()
        .map(|entry| entry.seq)
        .collect();
    assert_eq!(numbers.len(), events.len());
    let mut some = 0;
    let alone = [Order::Newest, Order::Oldest].map(|order| AuditFilter { order, limit: 333, ..AuditFilter::default() });
    let alone: Vec<AuditFilter> = alone.into_iter().map(one_question_each).collect::<Outcome<Vec<_>>>()?.concat();
    let mixed = (0..100).map(|_| dice.filter()).collect::<Outcome<Vec<_>>>()?;
    for filter in alone.into_iter().chain(mixed) {
        let wanted: Vec<i64> = expected(&filter, &events).into_iter().map(|place| numbers[place]).collect();
        let found: Vec<i64> = walked(&*audit, &filter).await?.iter().map(|entry| entry.seq).collect();
        assert_eq!(found, wanted, "{filter:?}");
        let first: Vec<i64> = audit.list(&filter).await?.iter().map(|entry| entry.seq).collect();
        assert_eq!(first, wanted[..wanted.len().min(filter.limit as usize)], "{filter:?}");
        some += usize::from(!wanted.is_empty());
    }
    assert!(some > 30, "too many searches found nothing: {some}");
    Ok(())
}

pub(crate) async fn what_is_recorded_while_pages_are_turned_shifts_nothing(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    let happened = |seconds| {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Event::new(
            at(seconds),
            Kind::SignIn,
            Ending::Success,
            &tenant("default")?,
        ))
    };
    audit.append((0..10).map(happened).collect::<Outcome<_>>()?).await?;
    let mut filter = AuditFilter { limit: 4, ..AuditFilter::default() };
    let first = audit.search(&filter).await?;
    audit.append(vec![happened(20)?, happened(21)?]).await?;
    filter.from = first.next;
    let second = audit.search(&filter).await?;
    let seen: Vec<i64> = first.entries.iter().chain(&second.entries).map(|entry| entry.at.seconds() - at(0).seconds()).collect();
    assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3, 2]);
    Ok(())
}
