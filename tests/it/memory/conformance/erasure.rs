//! Facts about what is removed with a person, and about answers that are kept for a while.

use std::collections::BTreeSet;

use doorward::audit::what::UserChanged;
use doorward::audit::{AuditFilter, Event, Now, Outcome as Ending, Personal};
use doorward::crypto::Digest;
use doorward::directory::{Begun, DirectoryError, Page, UserFilter};
use doorward::model::{Program, ProgramKind};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Backend, Outcome, at, nobody, program, session, somebody, tenant};

pub(crate) async fn what_the_trail_tells_of_a_person_goes_and_the_events_stay(backend: &impl Backend) -> Outcome {
    let audit = backend.open().await?.audit;
    let (ada, bob) = (nobody(), nobody());
    let name = |name: &str| Some(Now(Some(Personal(name.to_owned()))));
    let event = |seconds, actor: &str, target: &str, what: UserChanged| -> Outcome<Event> {
        let mut event = Event::new(at(seconds), what, Ending::Success, &tenant("default")?);
        (event.actor, event.target) = (Some(actor.to_owned()), Some(target.to_owned()));
        event.source = Some("192.0.2.7".parse()?);
        event.user_agent = Some("browser".to_owned());
        Ok(event)
    };
    let (her, his) = (ada.to_string(), bob.to_string());
    audit
        .append(vec![
            event(
                1,
                &her,
                &her,
                UserChanged { roles: Some(vec!["admin".to_owned()]), name: name("Ada"), ..UserChanged::default() },
            )?,
            event(
                2,
                &his,
                &her,
                UserChanged { email: Some(Now(Some(Personal("ada@acme.example".parse()?)))), ..UserChanged::default() },
            )?,
            event(
                3,
                &his,
                &his,
                UserChanged { name: name("as ADA@acme.example asked"), roles: Some(Vec::new()), ..UserChanged::default() },
            )?,
            event(4, "ada@acme.example", "local", UserChanged::default())?,
            event(5, &his, &his, UserChanged { name: name("Adalbert"), ..UserChanged::default() })?,
        ])
        .await?;
    let all = AuditFilter { limit: 10, ..AuditFilter::default() };
    let by_name = AuditFilter { actor: Some("ada@acme.example".to_owned()), ..all.clone() };
    assert_eq!(audit.list(&by_name).await?.len(), 1);
    assert_eq!(audit.forget(ada, &["ada@acme.example".to_owned(), "Ada".to_owned()]).await?, 5);
    let left = audit.list(&all).await?;
    let told: Vec<_> = left.iter().rev().map(|entry| (entry.source.is_some(), serde_json::to_value(&entry.details))).collect();
    let told: Vec<_> = told.into_iter().map(|(source, details)| Ok((source, details?))).collect::<Outcome<Vec<_>>>()?;
    let expected = [
        (false, json!({ "roles": ["admin"] })),
        (true, json!({})),
        (true, json!({ "roles": [] })),
        (false, json!({})),
        (true, json!({ "name": "Adalbert" })),
    ];
    assert_eq!(told, expected);
    assert_eq!((left[4].actor.as_deref(), left[3].target.as_deref()), (Some(&*her), Some(&*her)), "under their id");
    assert_eq!(audit.list(&by_name).await?, []);
    assert_eq!(audit.forget(ada, &["ada@acme.example".to_owned()]).await?, 0);
    assert_eq!(audit.purge(at(100)).await?, 5);
    Ok(())
}

pub(crate) async fn an_erased_person_leaves_nothing_but_their_id(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let (ada, bob) = (somebody("default", "ada")?, somebody("default", "bob")?);
    stores.directory.create_user(&ada).await?;
    stores.directory.create_user(&bob).await?;
    let own = Program { owner: Some(ada.id), name: "Ada's laptop".to_owned(), ..program(ProgramKind::ApiKey, "default", "own")? };
    stores.directory.create_program(&own).await?;
    for (user, name) in [(ada.id, "hers"), (bob.id, "his")] {
        stores.sessions.create(&session(user, name)?).await?;
    }
    assert_eq!(stores.sessions.forget_user(ada.id, at(50)).await?, 1);
    let hers = stores.sessions.find(&Digest::of(b"hers")).await?.ok_or("the tombstone is gone")?;
    assert_eq!((hers.revoked_at, hers.user), (Some(at(50)), ada.id));
    assert_eq!((hers.client_address, hers.user_agent, hers.provider_session), (None, None, None));
    assert_eq!((hers.provider_subject, hers.sealed_tokens), (None, None));
    assert_eq!(stores.sessions.find(&Digest::of(b"his")).await?, Some(session(bob.id, "his")?));
    stores.directory.erase_user(&ada).await?;
    assert_eq!(stores.directory.user(ada.id).await?, None);
    let left = stores.directory.program(ProgramKind::ApiKey, "own").await?.ok_or("the key's tombstone is gone")?;
    assert!(left.revoked_at.is_some() && left.name == "erased" && left.networks.is_empty(), "{left:?}");
    assert!(matches!(stores.directory.erase_user(&ada).await, Err(DirectoryError::Missing(_))));
    assert!(stores.directory.user(bob.id).await?.is_some());
    Ok(())
}

pub(crate) async fn people_are_found_by_what_was_typed_and_not_by_patterns(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    for (name, full, active) in [("ada", "Countess", true), ("100%", "Bob", true), ("d_n!", "Don", false)] {
        let mut user = somebody("default", name)?;
        (user.name, user.email, user.active) = (Some(full.to_owned()), None, active);
        directory.create_user(&user).await?;
    }
    directory.create_user(&somebody("other", "ada-elsewhere")?).await?;
    let found = async |text: Option<&str>, active| -> Outcome<BTreeSet<String>> {
        let filter = UserFilter { text: text.map(str::to_owned), active };
        let users = directory.find_users(&tenant("default")?, &filter, &Page::default()).await?;
        Ok(users.into_iter().map(|user| user.user_name).collect())
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found(None, None).await?, names(&["100%", "ada", "d_n!"]));
    assert_eq!(found(Some("ADA"), None).await?, names(&["ada"]));
    assert_eq!(found(Some("count"), None).await?, names(&["ada"]));
    assert_eq!(found(Some("%"), None).await?, names(&["100%"]));
    assert_eq!(found(Some("_n!"), None).await?, names(&["d_n!"]));
    assert_eq!(found(None, Some(false)).await?, names(&["d_n!"]));
    Ok(())
}

pub(crate) async fn an_answer_is_kept_for_one_request_and_a_while(backend: &impl Backend) -> Outcome {
    let answers = backend.open().await?.answers;
    let (name, asked, other) = (Digest::of(b"name"), Digest::of(b"asked"), Digest::of(b"other"));
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let answers = answers.clone();
        tasks.spawn(async move { answers.begin(&name, &asked, at(1), at(10)).await });
    }
    let mut begun = 0;
    while let Some(told) = tasks.join_next().await {
        match told?? {
            Begun::Now => begun += 1,
            told => assert_eq!(told, Begun::Unanswered),
        }
    }
    assert_eq!(begun, 1);
    assert_eq!(answers.begin(&name, &other, at(2), at(100)).await?, Begun::Other);
    answers.keep(&name, b"sealed", at(100)).await?;
    answers.keep(&name, b"another", at(200)).await?;
    answers.forget(&name).await?;
    for moment in [3, 99] {
        let told = answers.begin(&name, &asked, at(moment), at(200)).await?;
        assert_eq!(told, Begun::Answered(b"sealed".to_vec()), "longer than it was given to be answered");
    }
    assert_eq!(answers.begin(&name, &asked, at(100), at(200)).await?, Begun::Now, "after a while it is another request");
    answers.forget(&name).await?;
    assert_eq!(answers.begin(&name, &other, at(101), at(200)).await?, Begun::Now, "what was not done may be asked again");
    assert_eq!(answers.begin(&name, &asked, at(200), at(210)).await?, Begun::Now, "whoever had it was stopped");
    assert_eq!(answers.begin(&name, &asked, at(209), at(219)).await?, Begun::Unanswered);
    Ok(())
}
