//! Facts about the change feed: what is announced, to whom, in which order.

use std::sync::{Arc, Mutex};

use doorward::directory::ProgramUse;
use doorward::model::{Change, ProgramKind, ProviderLogout, User};
use doorward::revocation::{FeedState, Subscription};
use uuid::Uuid;

use super::{Backend, Outcome, Stores, at, nobody, program, secret, session, somebody};
use crate::support::PATIENCE;

/// Every kind of change, and its announcement.
async fn change_everything(stores: &Stores) -> Outcome<Vec<Change>> {
    let Stores { directory, sessions, .. } = stores;
    let user = somebody("default", "ada")?;
    directory.create_user(&user).await?;
    let mut key = program(ProgramKind::ApiKey, "default", "adas")?;
    key.owner = Some(user.id);
    directory.create_program(&key).await?;
    let client = program(ProgramKind::Client, "default", "c")?;
    directory.create_program(&client).await?;
    let kept = [session(user.id, "one")?, session(user.id, "two")?];
    for session in &kept {
        sessions.create(session).await?;
    }

    directory.update_user(&user).await?;
    directory.update_program(&client, &client).await?;
    directory.rotate_program(client.kind, "c", &secret("new", 1), at(2)).await?;
    directory.revoke_program(client.kind, "c", at(3)).await?;
    sessions.end(&kept[0].handle, at(4)).await?;
    sessions.end_all(user.id, at(5)).await?;
    directory.delete_user(user.id).await?;
    let client = Change::Program(ProgramKind::Client, "c".to_owned());
    Ok(vec![
        Change::User(user.id),
        client.clone(),
        client.clone(),
        client,
        Change::Session(kept[0].digest),
        Change::Session(kept[1].digest),
        Change::Program(ProgramKind::ApiKey, "adas".to_owned()),
        Change::User(user.id),
    ])
}

async fn hear(subscription: &mut Subscription, count: usize) -> Outcome<Vec<Change>> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
        heard.push(next.map_err(|_| format!("heard only {heard:?}"))?.ok_or("the bus is gone")?);
    }
    Ok(heard)
}

/// Ends the feeds with changes of known names, so that nothing announced before can be on its way still.
async fn hear_to_the_end(stores: &Stores, subscription: &mut Subscription) -> Outcome<Vec<Change>> {
    let name = Uuid::new_v4().to_string();
    let last = program(ProgramKind::Client, "default", &name)?;
    stores.directory.create_program(&last).await?;
    stores.directory.update_program(&last, &last).await?;
    let session = session(nobody(), &name)?;
    stores.sessions.create(&session).await?;
    stores.sessions.end(&session.handle, at(0)).await?;
    let ends = [Change::Program(ProgramKind::Client, name), Change::Session(session.digest)];
    let mut heard = hear(subscription, ends.len()).await?;
    while !ends.iter().all(|end| heard.contains(end)) {
        heard.extend(hear(subscription, 1).await?);
    }
    heard.retain(|change| !ends.contains(change));
    Ok(heard)
}

/// Changes of sessions, then all others: each kind in its order. Sessions may live elsewhere, and between two stores there is no order.
fn in_each_feed(changes: Vec<Change>) -> Vec<Change> {
    let (mut sessions, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| matches!(change, Change::Session(_)));
    sessions.extend(others);
    sessions
}

pub(crate) async fn each_change_is_announced_once_and_in_order(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let mut subscription = stores.bus.subscribe();
    let announced = change_everything(&stores).await?;
    assert_eq!(in_each_feed(hear_to_the_end(&stores, &mut subscription).await?), in_each_feed(announced));
    assert_eq!(stores.bus.state(), FeedState::Following);
    Ok(())
}

pub(crate) async fn another_handle_hears_of_the_change_too(backend: &impl Backend) -> Outcome {
    let (writing, listening) = (backend.open().await?, backend.open().await?);
    let mut subscription = listening.bus.subscribe();
    let announced = change_everything(&writing).await?;
    let heard = hear(&mut subscription, announced.len()).await?;
    assert_eq!(in_each_feed(heard), in_each_feed(announced));
    let user = somebody("default", "late")?;
    writing.directory.create_user(&user).await?;
    writing.directory.update_user(&User { active: false, ..user.clone() }).await?;
    assert_eq!(hear_to_the_end(&writing, &mut subscription).await?, [Change::User(user.id)]);
    Ok(())
}

pub(crate) async fn what_changes_nothing_is_not_announced(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let Stores { directory, sessions, .. } = &stores;
    let user = somebody("default", "ada")?;
    directory.create_user(&user).await?;
    let key = program(ProgramKind::ApiKey, "default", "k")?;
    directory.create_program(&key).await?;
    directory.revoke_program(key.kind, "k", at(1)).await?;
    let kept = session(user.id, "s")?;
    sessions.create(&kept).await?;
    sessions.end(&kept.handle, at(1)).await?;
    let mut subscription = stores.bus.subscribe();
    // What was said before the subscription may still arrive.
    hear_to_the_end(&stores, &mut subscription).await?;

    directory.revoke_program(key.kind, "k", at(2)).await?;
    directory.record_program_use(&[ProgramUse { kind: key.kind, id: "k".to_owned(), at: at(9) }]).await?;
    assert!(directory.update_user(&User { name: None, updated_at: at(999), ..user.clone() }).await.is_err());
    sessions.end(&kept.handle, at(2)).await?;
    sessions.end_all(user.id, at(2)).await?;
    sessions.touch(&[(kept.digest, at(9))]).await?;
    assert_eq!(hear_to_the_end(&stores, &mut subscription).await?, []);
    Ok(())
}

/// Whoever remembers something has to have forgotten it when its maker is answered; the feed comes after that.
pub(crate) async fn what_was_done_is_forgotten_before_it_is_said_to_be_done(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let Stores { directory, sessions, .. } = &stores;
    let forgotten = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&forgotten);
    stores.bus.forget_by(move |change| heard.lock().unwrap().push(change.clone()));
    let is_forgotten = |change: &Change| std::mem::take(&mut *forgotten.lock().unwrap()).contains(change);
    let mut user = somebody("default", "ada")?;
    directory.create_user(&user).await?;
    for number in 0..50 {
        let kept: Vec<_> =
            ["a", "b", "c"].iter().map(|name| session(user.id, &format!("{number}{name}"))).collect::<Outcome<_>>()?;
        for session in &kept {
            sessions.create(session).await?;
        }
        assert!(sessions.end(&kept[0].handle, at(10)).await?);
        assert!(is_forgotten(&Change::Session(kept[0].digest)), "one that was ended");
        let logout = ProviderLogout {
            tenant: kept[1].tenant.clone(),
            connection: kept[1].connection.clone(),
            session: kept[1].provider_session.clone(),
            subject: kept[1].provider_subject.clone(),
        };
        let ended = sessions.end_named(&[logout], None, at(10)).await?.ok_or("nothing was to be taken")?;
        assert_eq!(ended.len(), 2);
        assert!(is_forgotten(&Change::Session(kept[1].digest)), "one that its provider has ended");
        let key = program(ProgramKind::ApiKey, "default", &format!("k{number}"))?;
        directory.create_program(&key).await?;
        directory.revoke_program(key.kind, &key.id, at(10)).await?;
        assert!(is_forgotten(&Change::Program(key.kind, key.id)), "a key");
        user = directory.update_user(&user).await?;
        assert!(is_forgotten(&Change::User(user.id)), "a person");
        let last = session(user.id, &format!("{number}d"))?;
        sessions.create(&last).await?;
        assert_eq!(sessions.end_all(user.id, at(10)).await?, 1);
        assert!(is_forgotten(&Change::Session(last.digest)), "all of a person's");
    }
    Ok(())
}
