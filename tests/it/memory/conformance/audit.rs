//! Facts about the audit trail.

use doorward::audit::what::{CredentialRefused, UserChanged};
use doorward::audit::{AuditFilter, Entry, Event, Kind, Now, Outcome as Ending, Personal, Recorder};
use doorward::model::CredentialKind;
use serde_json::Value;

use super::{Backend, Outcome, at, tenant};

fn happened(seconds: i64, kind: Kind, actor: &str) -> Outcome<Event> {
    let mut event = Event::new(at(seconds), kind, Ending::Success, &tenant("default")?);
    event.actor = Some(actor.to_owned());
    Ok(event)
}

fn newest(limit: u32) -> AuditFilter {
    AuditFilter { limit, ..AuditFilter::default() }
}

pub(crate) async fn an_event_comes_back_with_every_field(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    let what = CredentialRefused {
        method: Some("GET".to_owned()),
        path: Some(Personal("/a".to_owned())),
        host_of: Some(tenant("other")?),
        mode: Some("report"),
    };
    let mut full = Event::new(at(5), what, Ending::Failure, &tenant("other")?);
    full.reason = Some("wrong_secret".into());
    full.actor = Some("ada".to_owned());
    full.target = Some("/admin \u{1F512}".to_owned());
    full.credential = Some(CredentialKind::ApiKey);
    full.session = Some("handle-1".to_owned());
    full.source = Some("2001:db8::1".parse()?);
    full.user_agent = Some("curl/8".to_owned());
    full.request_id = Some("0af7651916cd43dd".to_owned());
    let bare = Event::new(at(6), Kind::SignOut, Ending::Success, &tenant("default")?);
    audit.append(vec![full.clone(), bare.clone()]).await?;
    let entries = audit.list(&newest(10)).await?;
    assert_eq!(entries.len(), 2);
    for (entry, event) in entries.iter().rev().zip([full, bare]) {
        let mut read = serde_json::to_value(entry)?;
        for place in ["schema_version", "seq", "chain", "link", "logged_at"] {
            assert!(read.as_object_mut().ok_or("no object")?.remove(place).is_some());
        }
        // What tells of people stands apart until it is read.
        let mut written = serde_json::to_value(event)?;
        if let Some(Value::Object(personal)) = written.as_object_mut().and_then(|event| event.remove("personal")) {
            written["details"].as_object_mut().ok_or("no object")?.extend(personal);
        }
        assert_eq!(read, written);
    }
    Ok(())
}

pub(crate) async fn events_are_listed_newest_first_by_what_is_asked(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    let mut elsewhere = happened(4, Kind::SignIn, "ada")?;
    elsewhere.tenant = "other".into();
    audit
        .append(vec![
            happened(1, Kind::SignIn, "ada")?,
            happened(2, Kind::SignOut, "ada")?,
            happened(3, Kind::SignIn, "eve")?,
            elsewhere,
        ])
        .await?;
    let listed = async |filter: AuditFilter| -> Outcome<Vec<i64>> {
        Ok(audit.list(&filter).await?.into_iter().map(|entry| entry.at.seconds() - at(0).seconds()).collect())
    };
    assert_eq!(listed(newest(10)).await?, [4, 3, 2, 1]);
    assert_eq!(listed(newest(2)).await?, [4, 3]);
    assert_eq!(listed(AuditFilter { since: Some(at(2)), ..newest(10) }).await?, [4, 3, 2]);
    assert_eq!(listed(AuditFilter { actor: Some("ada".to_owned()), ..newest(10) }).await?, [4, 2, 1]);
    assert_eq!(listed(AuditFilter { tenant: Some("default".to_owned()), ..newest(10) }).await?, [3, 2, 1]);
    assert_eq!(listed(AuditFilter { kinds: vec![Kind::SignOut], ..newest(10) }).await?, [2]);
    assert_eq!(listed(AuditFilter { kinds: vec![Kind::SignOut, Kind::SignIn], ..newest(10) }).await?, [4, 3, 2, 1]);
    assert_eq!(listed(AuditFilter { kinds: vec![Kind::KeyCreated], ..newest(10) }).await?, [0; 0]);
    let page = audit.list(&newest(2)).await?;
    assert_eq!(listed(AuditFilter { from: page.last().map(Entry::place), ..newest(10) }).await?, [2, 1]);
    Ok(())
}

pub(crate) async fn a_text_that_no_store_can_keep_does_not_stop_the_trail(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    let what = UserChanged {
        changed: Some(vec!["x\0".to_owned()]),
        name: Some(Now(Some(Personal("y\0".to_owned())))),
        ..UserChanged::default()
    };
    let mut odd = Event::new(at(1), what, Ending::Success, &tenant("default")?);
    odd.actor = Some("a\0b".to_owned());
    odd.target = Some("\0".to_owned());
    audit.append(vec![odd, happened(2, Kind::SignIn, "ada")?]).await?;
    let entries = audit.list(&newest(10)).await?;
    assert_eq!(entries[1].actor.as_deref(), Some("a\u{FFFD}b"));
    assert_eq!(entries[1].target.as_deref(), Some("\u{FFFD}"));
    assert_eq!((&entries[1].details["changed"][0], &entries[1].details["name"]), (&"x\u{FFFD}".into(), &"y\u{FFFD}".into()));
    Ok(())
}

pub(crate) async fn events_are_linked_without_gaps_and_each_once(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    let one = happened(1, Kind::SignIn, "ada")?;
    audit.append(vec![one.clone()]).await?;
    // Written again, alone, beside new ones and twice in one piece.
    let (two, three) = (happened(2, Kind::SignIn, "ada")?, happened(3, Kind::SignIn, "ada")?);
    audit.append(vec![one.clone()]).await?;
    audit.append(vec![two.clone(), one.clone(), three.clone(), two.clone()]).await?;
    audit.append(Vec::new()).await?;
    let many: Vec<Event> = (4..1000).map(|second| happened(second, Kind::SignIn, "ada@acme.example")).collect::<Outcome<_>>()?;
    audit.append(many.clone()).await?;
    audit.append(many).await?;
    let all = audit.following("door", 0, 2000).await?;
    assert!(all.iter().map(|entry| entry.link).eq(1..=999));
    assert!(all.iter().map(|entry| entry.at).eq((1..1000).map(at)));
    assert!(all.iter().all(|entry| entry.chain == "door" && entry.actor.is_some()));
    assert_eq!(all[1].id, two.id.to_string());
    assert_eq!(audit.following("door", 997, 1).await?, all[997..998]);
    assert_eq!(audit.following("other", 0, 10).await?, []);
    let heads = audit.heads().await?;
    assert_eq!(
        heads.iter().map(|head| (&*head.chain, head.first_link, head.link, head.at)).collect::<Vec<_>>(),
        [("door", 1, 999, at(999))]
    );
    assert_eq!(audit.list(&newest(2000)).await?.into_iter().rev().collect::<Vec<_>>(), all);
    Ok(())
}

pub(crate) async fn several_may_share_a_chain(backend: &impl Backend) -> Outcome {
    let (one, other) = (backend.open().await?.audit, backend.open().await?.audit);
    let write = async |audit: std::sync::Arc<dyn doorward::audit::AuditStore>| -> Outcome {
        for second in 0..100 {
            audit.append(vec![happened(second, Kind::SignIn, "ada")?, happened(second, Kind::SignOut, "ada")?]).await?;
        }
        Ok(())
    };
    let (first, second, third) = tokio::join!(write(one.clone()), write(other.clone()), write(one.clone()));
    first.and(second).and(third)?;
    let all = other.following("door", 0, 1000).await?;
    assert!(all.iter().map(|entry| entry.link).eq(1..=600));
    assert!(all.windows(2).all(|two| two[0].seq < two[1].seq));
    Ok(())
}

pub(crate) async fn only_retention_removes_events(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    for seconds in [1, 2] {
        audit.append(vec![happened(seconds, Kind::SignIn, "ada")?]).await?;
    }
    for _ in 0..12 {
        audit.append((0..100).map(|_| happened(2, Kind::SignIn, "ada@acme.example")).collect::<Outcome<_>>()?).await?;
    }
    audit.append(vec![happened(3, Kind::SignIn, "ada")?]).await?;
    let before = audit.list(&newest(10)).await?;
    assert_eq!(audit.purge(at(3)).await?, 1202, "however many there are");
    assert_eq!(audit.list(&newest(10)).await?, before[..1]);
    assert_eq!(audit.purge(at(3)).await?, 0);
    let heads = audit.heads().await?;
    assert_eq!((heads[0].first_link, heads[0].link), (1203, 1203));
    audit.append(vec![happened(4, Kind::SignIn, "ada")?]).await?;
    let after = audit.list(&newest(10)).await?;
    assert!(after[0].seq > before[0].seq, "a number is never used again");
    Ok(())
}

pub(crate) async fn what_is_recorded_is_there_and_what_is_noted_follows(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let recorder = Recorder::start(stores.audit.clone());
    recorder.record(happened(0, Kind::KeyCreated, "cli:ada")?).await?;
    assert_eq!(stores.audit.list(&newest(10)).await?.len(), 1);
    let mut long = happened(1, Kind::AccessDenied, "ada")?;
    long.user_agent = Some("ä".repeat(10_000));
    recorder.note(long);
    for seconds in 2..500 {
        recorder.note(happened(seconds, Kind::AccessDenied, "ada")?);
    }
    assert!(recorder.flush().await);
    assert_eq!(recorder.lost(), 0);
    let entries = backend.open().await?.audit.list(&newest(1000)).await?;
    assert!(entries.iter().rev().map(|entry| entry.at).eq((0..500).map(at)));
    assert_eq!(entries[498].user_agent.as_ref().map(String::len), Some(256));
    Ok(())
}
