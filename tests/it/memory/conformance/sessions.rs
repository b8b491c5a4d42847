//! Facts about sessions and one-time values.

use std::collections::BTreeSet;
use std::time::Duration;

use doorward::crypto::Digest;
use doorward::model::{ProviderLogout, Session, SessionHandle, UserId};
use doorward::session::{Once, Overdue, Renewals, SealedTokens, SessionFilter};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::task::JoinSet;

use super::{Backend, Outcome, at, eventually, nobody, session, tenant};

pub(crate) async fn a_session_comes_back_with_every_field(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let full = session(nobody(), "full")?;
    let bare = Session {
        amr: Vec::new(),
        acr: None,
        provider_session: None,
        provider_subject: None,
        sealed_tokens: None,
        tokens_version: 0,
        refresh_at: None,
        client_address: None,
        user_agent: None,
        ..session(nobody(), "bare")?
    };
    for kept in [&full, &bare] {
        sessions.create(kept).await?;
        assert_eq!(sessions.find(&kept.digest).await?.as_ref(), Some(kept));
    }
    assert_eq!(sessions.find(&Digest::of(b"never")).await?, None);
    assert!(sessions.create(&full).await.is_err(), "a session id is taken once");
    Ok(())
}

pub(crate) async fn an_ended_session_is_never_lifted(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    assert!(sessions.end(&kept.handle, at(10)).await?);
    sessions.touch(&[(kept.digest, at(20))]).await?;
    assert!(sessions.create(&kept).await.is_err());
    assert!(!sessions.end(&kept.handle, at(30)).await?);
    assert_eq!(sessions.end_all(kept.user, at(30)).await?, 0);
    let ended = Session { revoked_at: Some(at(10)), ..kept };
    assert_eq!(sessions.find(&ended.digest).await?, Some(ended));
    Ok(())
}

pub(crate) async fn ending_says_whether_the_session_was_live(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let (live, expired) = (session(nobody(), "live")?, Session { expires_at: at(5), ..session(nobody(), "expired")? });
    sessions.create(&live).await?;
    sessions.create(&expired).await?;
    assert!(sessions.end(&live.handle, at(10)).await?);
    assert!(!sessions.end(&expired.handle, at(10)).await?);
    assert!(!sessions.end(&SessionHandle("never".to_owned()), at(10)).await?);
    Ok(())
}

pub(crate) async fn ending_all_of_a_person_leaves_others_alone(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let (ada, eve) = (nobody(), nobody());
    for (user, name) in [(ada, "a1"), (ada, "a2"), (ada, "a3"), (eve, "e1")] {
        sessions.create(&session(user, name)?).await?;
    }
    sessions.end(&SessionHandle("handle-a3".to_owned()), at(5)).await?;
    assert_eq!(sessions.end_all(ada, at(10)).await?, 2);
    for (name, revoked_at) in [("a1", Some(at(10))), ("a2", Some(at(10))), ("a3", Some(at(5))), ("e1", None)] {
        let found = sessions.find(&Digest::of(name.as_bytes())).await?.ok_or("gone")?;
        assert_eq!(found.revoked_at, revoked_at, "{name}");
    }
    Ok(())
}

pub(crate) async fn many_are_signed_out_in_one_piece(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let people: Vec<UserId> = (0..300).map(|_| nobody()).collect();
    for (place, person) in people.iter().enumerate().filter(|(place, _)| place % 30 == 0) {
        sessions.create(&session(*person, &format!("of {place}"))?).await?;
    }
    sessions.create(&session(nobody(), "another's")?).await?;
    assert_eq!(sessions.end_all_of(&[], at(10)).await?, 0);
    assert_eq!(sessions.end_all_of(&people, at(10)).await?, 10);
    assert_eq!(sessions.end_all_of(&people, at(11)).await?, 0);
    assert_eq!(sessions.count(at(12)).await?, 1);
    Ok(())
}

pub(crate) async fn a_providers_logout_ends_what_it_names_and_nothing_else(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let rows = [
        ("a", "okta", Some("s1"), Some("ada")),
        ("b", "okta", Some("s2"), Some("ada")),
        ("c", "okta", Some("s1"), Some("eve")),
        ("d", "other", Some("s1"), Some("ada")),
        ("e", "okta", None, None),
    ];
    for (name, connection, sid, subject) in rows {
        let kept = Session {
            connection: connection.parse()?,
            provider_session: sid.map(str::to_owned),
            provider_subject: subject.map(str::to_owned),
            expires_at: at(900),
            ..session(nobody(), name)?
        };
        sessions.create(&kept).await?;
    }
    let expired = Session { expires_at: at(5), ..session(nobody(), "expired")? };
    sessions.create(&Session { provider_session: Some("s1".to_owned()), ..expired }).await?;
    let okta = "okta".parse()?;
    let own = tenant("default")?;
    let named = |session: Option<&str>, subject: Option<&str>| ProviderLogout {
        tenant: own.clone(),
        connection: Clone::clone(&okta),
        session: session.map(str::to_owned),
        subject: subject.map(str::to_owned),
    };
    let other = tenant("other")?;
    let elsewhere = |logout: ProviderLogout| ProviderLogout { tenant: other.clone(), ..logout };
    for (logout, expected) in [
        (named(None, None), vec![]),
        (elsewhere(named(Some("s1"), Some("ada"))), vec![]),
        (elsewhere(named(None, Some("ada"))), vec![]),
        (named(Some("s9"), None), vec![]),
        (named(Some("s1"), Some("ada")), vec!["handle-a"]),
        (named(Some("s1"), Some("ada")), vec![]),
        (named(None, Some("ada")), vec!["handle-b"]),
        (named(Some("s1"), None), vec!["handle-c"]),
    ] {
        let ended = sessions.end_named(std::slice::from_ref(&logout), None, at(10)).await?.ok_or("nothing was to be taken")?;
        let ended: Vec<&str> = ended.iter().map(|session| session.handle.0.as_str()).collect();
        assert_eq!(ended, expected, "{logout:?}");
    }
    for (name, live) in [("a", false), ("b", false), ("c", false), ("d", true), ("e", true)] {
        let found = sessions.find(&Digest::of(name.as_bytes())).await?.ok_or("gone")?;
        assert_eq!(found.revoked_at.is_none(), live, "{name}");
    }
    Ok(())
}

pub(crate) async fn a_logout_that_may_come_once_has_one_winner_who_ends_all_it_names(backend: &impl Backend) -> Outcome {
    let handles = [backend.open().await?.sessions, backend.open().await?.sessions];
    for name in ["a", "b", "c"] {
        let kept = Session { provider_session: Some(format!("at-{name}")), ..session(nobody(), name)? };
        handles[0].create(&kept).await?;
    }
    let (own, connection) = (tenant("default")?, session(nobody(), "any")?.connection);
    let named = |name: &str| ProviderLogout {
        tenant: own.clone(),
        connection: connection.clone(),
        session: Some(format!("at-{name}")),
        subject: None,
    };
    let once = |text: &str| Once { purpose: "logout", token: Digest::of(text.as_bytes()), expires_at: at(1000) };
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (sessions, logouts, once) = (handles[number % 2].clone(), [named("a"), named("b")], once("one"));
        tasks.spawn(async move { sessions.end_named(&logouts, Some(&once), at(10)).await });
    }
    let mut ended = Vec::new();
    for outcome in tasks.join_all().await {
        ended.extend(outcome?.map(|sessions| sessions.len()));
    }
    assert_eq!(ended, [2]);
    assert!(handles[1].end_named(&[named("c")], Some(&once("one")), at(11)).await?.is_none(), "it was taken before");
    assert!(!handles[1].take_once("logout", &Digest::of(b"one"), at(1000)).await?, "by whatever way");
    let found = handles[0].find(&Digest::of(b"c")).await?.ok_or("gone")?;
    assert_eq!(found.revoked_at, None);
    assert_eq!(handles[1].end_named(&[named("c")], Some(&once("another")), at(12)).await?.map(|ended| ended.len()), Some(1));
    Ok(())
}

pub(crate) async fn refreshing_tokens_is_one_turn_and_no_stale_tokens_win(backend: &impl Backend) -> Outcome {
    let handles = [backend.open().await?.sessions, backend.open().await?.sessions];
    let due = session(nobody(), "due")?;
    let without = Session { refresh_at: None, ..session(nobody(), "without")? };
    handles[0].create(&due).await?;
    handles[0].create(&without).await?;
    assert!(!handles[0].lease_refresh(&due.digest, at(499), at(600)).await?, "not due yet");
    assert!(!handles[0].lease_refresh(&without.digest, at(900), at(950)).await?, "never due");
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let sessions = handles[number % 2].clone();
        tasks.spawn(async move { sessions.lease_refresh(&due.digest, at(500), at(510)).await });
    }
    let mut winners = 0;
    for leased in tasks.join_all().await {
        winners += usize::from(leased?);
    }
    assert_eq!(winners, 1);
    assert!(handles[1].lease_refresh(&due.digest, at(510), at(520)).await?, "a turn that nobody ended passes on");

    let tokens = |text: &str, refresh_at| SealedTokens { sealed: text.as_bytes().to_vec(), refresh_at };
    assert!(handles[0].replace_tokens(&due.digest, 3, &tokens("new", Some(at(700))), at(515)).await?);
    assert!(!handles[1].replace_tokens(&due.digest, 3, &tokens("stale", None), at(516)).await?, "made from older ones");
    let found = handles[1].find(&due.digest).await?.ok_or("gone")?;
    assert_eq!((found.sealed_tokens.as_deref(), found.tokens_version), (Some(b"new".as_slice()), 4));
    assert_eq!(found.refresh_at, Some(at(700)));
    assert!(!handles[0].lease_refresh(&due.digest, at(699), at(710)).await?);
    assert!(handles[0].lease_refresh(&due.digest, at(700), at(710)).await?, "the turn was given back with the tokens");

    handles[0].end(&due.handle, at(720)).await?;
    assert!(!handles[0].lease_refresh(&due.digest, at(730), at(740)).await?);
    assert!(!handles[0].replace_tokens(&due.digest, 4, &tokens("late", None), at(730)).await?, "an ended session stays ended");
    Ok(())
}

pub(crate) async fn seen_times_only_move_forward(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let (one, two) = (session(nobody(), "one")?, session(nobody(), "two")?);
    sessions.create(&one).await?;
    sessions.create(&two).await?;
    let unknown = Digest::of(b"unknown");
    sessions.touch(&[(one.digest, at(50)), (unknown, at(50)), (two.digest, at(1)), (one.digest, at(40))]).await?;
    sessions.touch(&[(one.digest, at(45))]).await?;
    let seen = Session { last_seen_at: at(50), ..one };
    assert_eq!(sessions.find(&seen.digest).await?.as_ref(), Some(&seen));
    assert_eq!(sessions.find_handle(&seen.handle).await?.as_ref(), Some(&seen));
    assert_eq!(sessions.find_handle(&SessionHandle("nobody's".to_owned())).await?, None);
    assert_eq!(sessions.find(&two.digest).await?, Some(two));
    assert_eq!(sessions.find(&unknown).await?, None);
    Ok(())
}

pub(crate) async fn live_sessions_are_listed_newest_first(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let ada = nobody();
    for (name, user, created, expires) in
        [("old", ada, 1, 900), ("new", ada, 9, 900), ("over", ada, 5, 100), ("eve", nobody(), 7, 900), ("ended", ada, 8, 900)]
    {
        let kept = session(user, name)?;
        sessions.create(&Session { created_at: at(created), expires_at: at(expires), ..kept }).await?;
    }
    sessions.end(&SessionHandle("handle-ended".to_owned()), at(99)).await?;
    let names = |found: Vec<Session>| found.into_iter().map(|kept| kept.handle.0).collect::<Vec<_>>();
    sessions.touch(&[(Digest::of(b"old"), at(60))]).await?;
    let all = SessionFilter { limit: 10, ..SessionFilter::default() };
    assert_eq!(names(sessions.list(&all, at(100)).await?), ["handle-new", "handle-eve", "handle-old"]);
    let adas = SessionFilter { user: Some(ada), ..all.clone() };
    assert_eq!(names(sessions.list(&adas, at(100)).await?), ["handle-new", "handle-old"]);
    assert_eq!(names(sessions.list(&SessionFilter { limit: 1, ..adas.clone() }, at(100)).await?), ["handle-new"]);
    let seen = SessionFilter { limit: 1, seen_after: Some(at(50)), ..adas };
    assert_eq!(
        names(sessions.list(&seen, at(100)).await?),
        ["handle-old"],
        "counted after those that were not seen are left out"
    );
    let elsewhere = SessionFilter { tenant: Some("elsewhere".parse()?), ..all };
    assert_eq!(names(sessions.list(&elsewhere, at(100)).await?), [""; 0]);
    assert_eq!(sessions.count(at(100)).await?, 3);
    assert_eq!(sessions.count(at(99)).await?, 4);
    Ok(())
}

pub(crate) async fn a_one_time_value_has_one_winner_among_many(backend: &impl Backend) -> Outcome {
    let handles = [backend.open().await?.sessions, backend.open().await?.sessions];
    for round in 0..5 {
        let mut tasks = JoinSet::new();
        for number in 0..40 {
            let sessions = handles[number % 2].clone();
            let token = Digest::of(format!("state {round}").as_bytes());
            tasks.spawn(async move { sessions.take_once("attempt", &token, at(1000)).await });
        }
        let mut winners = 0;
        for taken in tasks.join_all().await {
            winners += usize::from(taken?);
        }
        assert_eq!(winners, 1);
    }
    assert!(handles[0].take_once("link", &Digest::of(b"state 0"), at(1000)).await?, "another purpose is another value");
    Ok(())
}

pub(crate) async fn a_purge_removes_only_what_has_expired(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    for (name, expires) in [("expired", 99), ("live", 100), ("ended", 900)] {
        sessions.create(&Session { expires_at: at(expires), ..session(nobody(), name)? }).await?;
    }
    // A sealed cookie that was copied lives as long as it would have: so does what says that it ended.
    sessions.end(&SessionHandle("handle-ended".to_owned()), at(1)).await?;
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    assert!(sessions.take_once("attempt", &old, at(99)).await? && sessions.take_once("attempt", &new, at(100)).await?);
    assert_eq!(sessions.purge(at(100)).await?, 1);
    for (name, kept) in [("expired", false), ("live", true), ("ended", true)] {
        assert_eq!(sessions.find(&Digest::of(name.as_bytes())).await?.is_some(), kept, "{name}");
    }
    assert!(sessions.take_once("attempt", &old, at(200)).await?);
    assert!(!sessions.take_once("attempt", &new, at(200)).await?);
    Ok(())
}

pub(crate) async fn sessions_that_ended_by_themselves_are_found_each_once_and_no_others(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let idle = Duration::from_secs(100);
    // (name, last seen, end): with a hundred seconds of idleness.
    for (name, seen, end) in [("over", 150, 200), ("idle", 100, 900), ("early", 90, 150), ("late", 200, 251), ("live", 400, 900)]
    {
        sessions.create(&Session { last_seen_at: at(seen), expires_at: at(end), ..session(nobody(), name)? }).await?;
    }
    sessions.create(&Session { last_seen_at: at(100), ..session(nobody(), "ended")? }).await?;
    sessions.end(&SessionHandle("handle-ended".to_owned()), at(120)).await?;
    let many = (0..1200).map(|number| {
        let (sessions, name) = (&sessions, format!("many-{number}"));
        async move {
            Outcome::Ok(
                sessions.create(&Session { expires_at: at(180), last_seen_at: at(170), ..session(nobody(), &name)? }).await?,
            )
        }
    });
    futures::stream::iter(many).buffer_unordered(16).try_collect::<()>().await?;
    let (over, mut from, mut found) = (Overdue { idle, after: at(150), until: at(250) }, None, BTreeSet::new());
    loop {
        let (some, next) = sessions.overdue(over, from).await?;
        found.extend(some.into_iter().map(|session| session.handle.0));
        from = next;
        if from.is_none() {
            break;
        }
    }
    let many = found.iter().filter(|handle| handle.starts_with("handle-many-")).count();
    let others: Vec<&str> = found.iter().map(String::as_str).filter(|handle| !handle.starts_with("handle-many-")).collect();
    assert_eq!((many, others), (1200, vec!["handle-idle", "handle-over"]));
    Ok(())
}

pub(crate) async fn a_purge_removes_all_of_it_however_much_there_is(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let numbers = 0..1200_u32;
    let each = |number: u32| {
        let (sessions, name) = (&sessions, number.to_string());
        async move {
            sessions.create(&Session { expires_at: at(99), ..session(nobody(), &name)? }).await?;
            Outcome::Ok(sessions.take_once("attempt", &Digest::of(name.as_bytes()), at(99)).await?)
        }
    };
    let taken: Vec<bool> = futures::stream::iter(numbers.clone()).map(each).buffer_unordered(16).try_collect().await?;
    assert!(taken.into_iter().all(|taken| taken));
    assert_eq!(sessions.purge(at(100)).await?, 1200);
    assert_eq!(sessions.purge(at(100)).await?, 0);
    for number in numbers.step_by(37) {
        assert!(sessions.take_once("attempt", &Digest::of(number.to_string().as_bytes()), at(200)).await?, "{number}");
    }
    Ok(())
}

pub(crate) async fn seen_times_are_gathered_and_written_together(backend: &impl Backend) -> Outcome {
    let sessions = backend.open().await?.sessions;
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    let renewals = Renewals::start(sessions.clone(), Duration::from_millis(20));
    renewals.seen(&kept.digest, at(40));
    renewals.seen(&kept.digest, at(30));
    eventually(async || Ok(sessions.find(&kept.digest).await?.is_some_and(|found| found.last_seen_at == at(40)))).await
}
