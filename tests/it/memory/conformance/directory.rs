//! Facts about people and programs.

use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::directory::{DirectoryError, Page, ProgramUse, Renewals, UserFilter};
use doorward::model::{Program, ProgramKind, ProgramSecret, User};

use super::{Backend, Outcome, at, link, nobody, program, secret, somebody, tenant};

pub(crate) async fn a_user_comes_back_with_every_field(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let full = somebody("default", "Ada")?;
    let bare = User {
        email: None,
        name: None,
        active: false,
        groups: Vec::new(),
        directory_groups: Vec::new(),
        provisioned_by: None,
        roles: Vec::new(),
        link: None,
        password_hash: None,
        ..somebody("default", "bare")?
    };
    for user in [&full, &bare] {
        directory.create_user(user).await?;
        assert_eq!(directory.user(user.id).await?.as_ref(), Some(user));
    }
    assert_eq!(directory.user_by_link(&full.tenant, &link("Ada")?).await?, Some(full));
    assert_eq!(directory.user(nobody()).await?, None);
    directory.ping().await?;
    Ok(())
}

pub(crate) async fn a_local_account_is_found_by_an_address_that_is_its_alone(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let account = |name: &str, password: bool| -> Outcome<_> {
        let mut user = somebody("default", name)?;
        (user.link, user.email) = (None, Some("Ada@acme.example".parse()?));
        user.password_hash = password.then(|| "$argon2id$".to_owned());
        Ok(user)
    };
    let (local, other) = (account("local", true)?, account("other", true)?);
    let email = "aDA@acme.example".parse()?;
    directory.create_user(&account("federated", false)?).await?;
    assert_eq!(directory.local_user_by_email(&local.tenant, &email).await?, None, "an account without a password is not local");
    directory.create_user(&local).await?;
    assert_eq!(directory.local_user_by_email(&local.tenant, &email).await?, Some(local.clone()));
    assert_eq!(directory.local_user_by_email(&tenant("other")?, &email).await?, None);
    directory.create_user(&other).await?;
    assert_eq!(directory.local_user_by_email(&local.tenant, &email).await?, None, "an address of two names nobody");
    Ok(())
}

pub(crate) async fn a_user_name_is_unique_within_its_tenant_whatever_its_case(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let (first, elsewhere) = (somebody("default", "Ärmel")?, somebody("other", "ärmel")?);
    let mut second = somebody("default", "äRMEL")?;
    second.link = None;
    directory.create_user(&first).await?;
    directory.create_user(&elsewhere).await?;
    assert!(matches!(directory.create_user(&second).await, Err(DirectoryError::Conflict(name)) if name.contains("äRMEL")));
    assert_eq!(directory.user_by_name(&first.tenant, "ÄRMEL").await?, Some(first.clone()));
    assert_eq!(directory.user_by_name(&elsewhere.tenant, "ÄRMEL").await?, Some(elsewhere));
    assert_eq!(directory.user_by_name(&tenant("third")?, "ärmel").await?, None);

    second.user_name = "free".into();
    directory.create_user(&second).await?;
    second.user_name = "ÄRMEL".into();
    assert!(matches!(directory.update_user(&second).await, Err(DirectoryError::Conflict(_))));
    Ok(())
}

pub(crate) async fn a_federated_account_belongs_to_one_user_of_a_tenant(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let (here, there) = (somebody("default", "ada")?, somebody("other", "ada")?);
    directory.create_user(&here).await?;
    directory.create_user(&there).await?;
    let double = User { link: here.link.clone(), ..somebody("default", "eve")? };
    assert!(matches!(directory.create_user(&double).await, Err(DirectoryError::Conflict(what)) if what.contains("okta")));
    assert_eq!(directory.user_by_link(&here.tenant, &link("ada")?).await?, Some(here.clone()));
    assert_eq!(directory.user_by_link(&there.tenant, &link("ada")?).await?, Some(there));
    for mut other in [link("ada")?, link("ada")?, link("ada")?].into_iter().enumerate() {
        match other.0 {
            0 => other.1.subject = "ADA".into(),
            1 => other.1.issuer = "https://evil.example".into(),
            _ => other.1.connection = "evil".parse()?,
        }
        assert_eq!(directory.user_by_link(&here.tenant, &other.1).await?, None, "{:?}", other.1);
    }
    Ok(())
}

pub(crate) async fn users_are_paged_by_id_and_tenant(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let mut expected = Vec::new();
    for number in 0..7 {
        let user = somebody("default", &format!("user{number}"))?;
        directory.create_user(&user).await?;
        expected.push(user);
        directory.create_user(&somebody("other", &format!("user{number}"))?).await?;
    }
    expected.sort_by_key(|user| user.id.to_string());
    let (mut listed, mut page) = (Vec::new(), Page { after: None, limit: 3 });
    loop {
        let users = directory.users(&tenant("default")?, &page).await?;
        assert!(users.len() <= 3);
        let Some(last) = users.last() else { break };
        page.after = Some(last.id.to_string());
        listed.extend(users);
    }
    assert_eq!(listed, expected);
    Ok(())
}

pub(crate) async fn an_update_of_a_user_replaces_every_field(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let before = somebody("default", "ada")?;
    directory.create_user(&before).await?;
    let mut after = User {
        user_name: "countess".to_owned(),
        email: None,
        name: None,
        active: false,
        groups: vec!["Mathematics".to_owned()],
        directory_groups: Vec::new(),
        provisioned_by: None,
        roles: Vec::new(),
        link: None,
        password_hash: None,
        ..before.clone()
    };
    let updated = directory.update_user(&after).await?;
    assert!(updated.updated_at > before.updated_at);
    after.updated_at = updated.updated_at;
    assert_eq!(updated, after);
    assert_eq!(directory.user(after.id).await?, Some(after.clone()));
    assert_eq!(directory.user_by_name(&after.tenant, "ada").await?, None);
    assert_eq!(directory.user_by_link(&after.tenant, &link("ada")?).await?, None);
    assert_eq!(directory.user_by_name(&after.tenant, "COUNTESS").await?, Some(after));
    Ok(())
}

pub(crate) async fn a_stale_update_of_a_user_is_refused(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let read = somebody("default", "ada")?;
    directory.create_user(&read).await?;
    directory.update_user(&User { active: false, ..read.clone() }).await?;
    let late = User { groups: vec!["New".to_owned()], ..read.clone() };
    assert!(matches!(directory.update_user(&late).await, Err(DirectoryError::Stale("user"))));
    let stored = directory.user(read.id).await?.ok_or("gone")?;
    assert!(!stored.active);
    assert_eq!(stored.groups, read.groups);
    Ok(())
}

pub(crate) async fn two_updates_at_once_have_one_winner(backend: &impl Backend) -> Outcome {
    let (one, two) = (backend.open().await?.directory, backend.open().await?.directory);
    let mut user = somebody("default", "ada")?;
    one.create_user(&user).await?;
    for round in 0..20 {
        let (left, right) = (User { name: Some(format!("l{round}")), ..user.clone() }, User { name: None, ..user.clone() });
        let (left, right) = tokio::join!(one.update_user(&left), two.update_user(&right));
        user = match (left, right) {
            (Ok(winner), Err(DirectoryError::Stale(_))) | (Err(DirectoryError::Stale(_)), Ok(winner)) => winner,
            both => return Err(format!("not one winner: {both:?}").into()),
        };
        assert_eq!(two.user(user.id).await?.as_ref(), Some(&user));
    }
    Ok(())
}

pub(crate) async fn a_deleted_user_is_gone_and_so_are_their_programs(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let (ada, eve) = (somebody("default", "ada")?, somebody("default", "eve")?);
    directory.create_user(&ada).await?;
    directory.create_user(&eve).await?;
    for (id, owner) in [("adas", Some(ada.id)), ("eves", Some(eve.id)), ("nobodys", None)] {
        let mut key = program(ProgramKind::ApiKey, "default", id)?;
        key.owner = owner;
        directory.create_program(&key).await?;
    }
    directory.delete_user(ada.id).await?;
    assert_eq!(directory.user(ada.id).await?, None);
    assert_eq!(directory.user_by_name(&ada.tenant, "ada").await?, None);
    assert!(matches!(directory.delete_user(ada.id).await, Err(DirectoryError::Missing("user"))));
    for (id, revoked) in [("adas", true), ("eves", false), ("nobodys", false)] {
        let key = directory.program(ProgramKind::ApiKey, id).await?.ok_or("gone")?;
        assert_eq!(key.revoked_at.is_some(), revoked, "{id}");
    }
    Ok(())
}

pub(crate) async fn a_missing_user_cannot_be_changed(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let user = somebody("default", "ada")?;
    assert!(matches!(directory.update_user(&user).await, Err(DirectoryError::Missing("user"))));
    directory.create_user(&user).await?;
    let elsewhere = User { tenant: tenant("other")?, ..user.clone() };
    assert!(matches!(directory.update_user(&elsewhere).await, Err(DirectoryError::Missing("user"))));
    assert_eq!(directory.user(user.id).await?, Some(user));
    Ok(())
}

pub(crate) async fn a_program_comes_back_with_every_field(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let owner = somebody("default", "ada")?;
    directory.create_user(&owner).await?;
    let mut full = program(ProgramKind::ApiKey, "default", "same")?;
    (full.owner, full.within_owner) = (Some(owner.id), true);
    full.secrets.push(ProgramSecret { expires_at: Some(at(9)), ..secret("old", -5) });
    let mut bare = program(ProgramKind::Client, "default", "same")?;
    (bare.expires_at, bare.last_used_at) = (None, None);
    (bare.roles, bare.scopes, bare.networks) = (Vec::new(), Vec::new(), Vec::new());
    for kept in [&full, &bare] {
        directory.create_program(kept).await?;
        assert_eq!(directory.program(kept.kind, "same").await?.as_ref(), Some(kept));
        assert!(matches!(directory.create_program(kept).await, Err(DirectoryError::Conflict(_))));
    }
    assert_eq!(directory.program(ProgramKind::ApiKey, "other").await?, None);
    Ok(())
}

pub(crate) async fn programs_are_paged_by_id_kind_and_tenant(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    for id in ["d", "b", "a", "c"] {
        directory.create_program(&program(ProgramKind::ApiKey, "default", id)?).await?;
        directory.create_program(&program(ProgramKind::ApiKey, "other", &format!("{id}2"))?).await?;
        directory.create_program(&program(ProgramKind::Client, "default", &format!("{id}3"))?).await?;
    }
    let page = Page { after: Some("a".to_owned()), limit: 2 };
    let ids = |programs: Vec<Program>| programs.into_iter().map(|key| key.id).collect::<Vec<_>>();
    let default = tenant("default")?;
    assert_eq!(ids(directory.programs(ProgramKind::ApiKey, &default, &page).await?), ["b", "c"]);
    assert_eq!(ids(directory.programs(ProgramKind::ApiKey, &default, &Page::default()).await?), ["a", "b", "c", "d"]);
    assert_eq!(ids(directory.programs(ProgramKind::Client, &default, &page).await?), ["a3", "b3"]);
    assert_eq!(ids(directory.programs(ProgramKind::Client, &tenant("other")?, &page).await?), [""; 0]);
    Ok(())
}

pub(crate) async fn a_revoked_program_stays_revoked(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let key = program(ProgramKind::ApiKey, "default", "k")?;
    directory.create_program(&key).await?;
    directory.revoke_program(key.kind, "k", at(50)).await?;
    directory.revoke_program(key.kind, "k", at(60)).await?;
    directory.update_program(&key, &key).await?;
    directory.record_program_use(&[ProgramUse { kind: key.kind, id: "k".to_owned(), at: at(70) }]).await?;
    let late = directory.rotate_program(key.kind, "k", &secret("new", 70), at(80)).await;
    assert!(matches!(late, Err(DirectoryError::Revoked("key"))));
    let stored = directory.program(key.kind, "k").await?.ok_or("gone")?;
    assert_eq!((stored.revoked_at, stored.secrets), (Some(at(50)), key.secrets));
    let missing = directory.revoke_program(ProgramKind::Client, "k", at(50)).await;
    assert!(matches!(missing, Err(DirectoryError::Missing("client"))));
    Ok(())
}

pub(crate) async fn rotation_keeps_two_secrets_at_most(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let client = program(ProgramKind::Client, "default", "c")?;
    directory.create_program(&client).await?;
    directory.rotate_program(client.kind, "c", &secret("second", 10), at(100)).await?;
    let first = ProgramSecret { expires_at: Some(at(100)), ..client.secrets[0].clone() };
    let stored = directory.program(client.kind, "c").await?.ok_or("gone")?;
    assert_eq!(stored.secrets, [secret("second", 10), first]);
    directory.rotate_program(client.kind, "c", &secret("third", 20), at(30)).await?;
    let second = ProgramSecret { expires_at: Some(at(30)), ..secret("second", 10) };
    let stored = directory.program(client.kind, "c").await?.ok_or("gone")?;
    assert_eq!(stored.secrets, [secret("third", 20), second]);
    let missing = directory.rotate_program(client.kind, "d", &secret("x", 0), at(30)).await;
    assert!(matches!(missing, Err(DirectoryError::Missing("client"))));
    Ok(())
}

pub(crate) async fn an_update_of_a_program_keeps_its_secrets_and_tenant(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let before = program(ProgramKind::ApiKey, "default", "k")?;
    directory.create_program(&before).await?;
    let mut after = before.clone();
    after.name = "renamed".into();
    (after.roles, after.scopes, after.networks) = (Vec::new(), vec!["api:*".parse()?], Vec::new());
    after.expires_at = None;
    let mut sent = after.clone();
    (sent.secrets, sent.last_used_at, sent.revoked_at) = (vec![secret("smuggled", 1)], None, Some(at(1)));
    directory.update_program(&before, &sent).await?;
    assert_eq!(directory.program(before.kind, "k").await?, Some(after.clone()));
    sent.tenant = tenant("other")?;
    assert!(matches!(directory.update_program(&after, &sent).await, Err(DirectoryError::Missing("key"))));
    assert_eq!(directory.program(before.kind, "k").await?, Some(after));
    Ok(())
}

pub(crate) async fn a_stale_update_of_a_program_is_refused(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let before = program(ProgramKind::ApiKey, "default", "k")?;
    directory.create_program(&before).await?;
    let narrowed = Program { networks: vec!["192.0.2.0/24".parse()?], ..before.clone() };
    directory.update_program(&before, &narrowed).await?;
    // Use and rotation go on all the time and are no change of what is replaced.
    directory.record_program_use(&[ProgramUse { kind: before.kind, id: "k".to_owned(), at: at(70) }]).await?;
    directory.rotate_program(before.kind, "k", &secret("new", 10), at(100)).await?;
    let renamed = |of: &Program| Program { name: "renamed".to_owned(), ..of.clone() };
    let late = directory.update_program(&before, &renamed(&before)).await;
    assert!(matches!(late, Err(DirectoryError::Stale("key"))), "{late:?}");
    directory.update_program(&narrowed, &renamed(&narrowed)).await?;
    let stored = directory.program(before.kind, "k").await?.ok_or("gone")?;
    assert_eq!((stored.name.as_str(), stored.networks, stored.secrets.len()), ("renamed", narrowed.networks, 2));
    Ok(())
}

pub(crate) async fn an_owner_of_another_tenant_is_refused(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let stranger = somebody("other", "eve")?;
    directory.create_user(&stranger).await?;
    let mut key = program(ProgramKind::ApiKey, "default", "k")?;
    for owner in [stranger.id, nobody()] {
        key.owner = Some(owner);
        assert!(matches!(directory.create_program(&key).await, Err(DirectoryError::Missing("owner"))));
    }
    key.owner = None;
    directory.create_program(&key).await?;
    let before = key.clone();
    key.owner = Some(stranger.id);
    assert!(matches!(directory.update_program(&before, &key).await, Err(DirectoryError::Missing("owner"))));
    Ok(())
}

pub(crate) async fn a_person_has_no_more_own_programs_than_they_may(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let (ada, bob) = (somebody("default", "ada")?, User { link: None, ..somebody("default", "bob")? });
    for user in [&ada, &bob] {
        directory.create_user(user).await?;
    }
    let own = |id: &str, owner: &User| -> Outcome<_> {
        let bare = program(ProgramKind::ApiKey, "default", id)?;
        Ok(Program { owner: Some(owner.id), within_owner: true, expires_at: None, ..bare })
    };
    // What an administrator made, what is revoked and what has expired does not count.
    directory.create_program(&Program { within_owner: false, ..own("given", &ada)? }).await?;
    directory.create_program(&Program { revoked_at: Some(at(1)), ..own("revoked", &ada)? }).await?;
    let over = Some(Timestamp::from_seconds(1));
    directory.create_program(&Program { expires_at: over, ..own("expired", &ada)? }).await?;
    let keys = (0..10).map(|number| own(&format!("k{number}"), &ada)).collect::<Outcome<Vec<_>>>()?;
    let made = futures::future::join_all(keys.iter().map(|key| directory.create_own_program(key, 3))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 3, "also when all come at once");
    assert!(made.iter().all(|made| matches!(made, Ok(()) | Err(DirectoryError::Full("keys")))), "{made:?}");
    directory.create_own_program(&own("other", &bob)?, 3).await?;
    let owned = directory.programs_of(ProgramKind::ApiKey, ada.id).await?;
    assert_eq!(owned.len(), 5, "all but the revoked one");
    assert_eq!(directory.programs_of(ProgramKind::Client, ada.id).await?, []);
    let nobodys = Program { owner: Some(nobody()), ..own("nobody", &ada)? };
    assert!(matches!(directory.create_own_program(&nobodys, 3).await, Err(DirectoryError::Missing("owner"))));
    Ok(())
}

pub(crate) async fn whoever_makes_and_revokes_again_and_again_leaves_a_bounded_number_behind(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let (ada, bob) = (somebody("default", "ada")?, User { link: None, ..somebody("default", "bob")? });
    for user in [&ada, &bob] {
        directory.create_user(user).await?;
    }
    let own = |id: String, owner: &User, dead: Option<i64>| -> Outcome<_> {
        let bare = program(ProgramKind::ApiKey, "default", &id)?;
        let owned = Program { owner: Some(owner.id), within_owner: true, expires_at: None, ..bare };
        let moment = dead.map(Timestamp::from_seconds);
        Ok(Program { revoked_at: moment, created_at: moment.unwrap_or(at(0)), ..owned })
    };
    // Long ago, oldest first; what somebody else has is left alone.
    let mut dead = (0..230).map(|number| own(format!("a{number:03}"), &ada, Some(number))).collect::<Outcome<Vec<_>>>()?;
    dead.push(own("bobs".to_owned(), &bob, Some(1))?);
    futures::future::try_join_all(dead.iter().map(|key| directory.create_program(key))).await?;
    directory.create_own_program(&own("new".to_owned(), &ada, None)?, 3).await?;
    let all = directory.programs(ProgramKind::ApiKey, &tenant("default")?, &Page { limit: 1000, ..Page::default() }).await?;
    let ids: Vec<&str> = all.iter().map(|key| key.id.as_str()).collect();
    assert_eq!((ids.len(), ids[0], ids[199]), (202, "a030", "a229"), "the newest dead, what works, and another's");
    // As many as may be made in a day; all but one were revoked again.
    let made = (0..199).map(|number| own(format!("b{number:03}"), &ada, Some(1_800_000_001))).collect::<Outcome<Vec<_>>>()?;
    futures::future::try_join_all(made.iter().map(|key| directory.create_program(key))).await?;
    let more = directory.create_own_program(&own("more".to_owned(), &ada, None)?, 3).await;
    assert!(matches!(more, Err(DirectoryError::Overused("keys"))), "{more:?}");
    directory.create_own_program(&own("bobs-own".to_owned(), &bob, None)?, 3).await?;
    Ok(())
}

pub(crate) async fn use_of_a_program_never_moves_backwards(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let mut fresh = program(ProgramKind::ApiKey, "default", "k")?;
    fresh.last_used_at = None;
    directory.create_program(&fresh).await?;
    let used = |id: &str, seconds| ProgramUse { kind: ProgramKind::ApiKey, id: id.to_owned(), at: at(seconds) };
    directory.record_program_use(&[used("k", 20), used("unknown", 20), used("k", 10)]).await?;
    directory.record_program_use(&[used("k", 15)]).await?;
    assert_eq!(directory.program(fresh.kind, "k").await?.ok_or("gone")?.last_used_at, Some(at(20)));
    Ok(())
}

pub(crate) async fn uses_are_gathered_and_written_together(backend: &impl Backend) -> Outcome {
    let directory = backend.open().await?.directory;
    let (key, client) = (program(ProgramKind::ApiKey, "default", "same")?, program(ProgramKind::Client, "default", "same")?);
    directory.create_program(&key).await?;
    directory.create_program(&client).await?;
    let renewals = Renewals::start(directory.clone(), Duration::from_secs(3600));
    for seconds in [30, 20] {
        renewals.used(key.kind, &key.id, at(seconds));
        renewals.used(client.kind, &client.id, at(seconds + 5));
    }
    assert_eq!(directory.program(key.kind, &key.id).await?, Some(key.clone()), "nothing is written before its time");
    renewals.flush().await?;
    for (kept, seconds) in [(key, 30), (client, 35)] {
        assert_eq!(directory.program(kept.kind, &kept.id).await?.ok_or("gone")?.last_used_at, Some(at(seconds)));
    }
    Ok(())
}

/// U+0000: PostgreSQL cannot keep it, so that no store does.
pub(crate) async fn a_text_that_no_store_can_keep_is_not_found_and_not_taken(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let directory = &stores.directory;
    let ada = somebody("default", "ada")?;
    directory.create_user(&ada).await?;
    for odd in ["ada\0", "\0", "a\0da"] {
        assert_eq!(directory.user_by_name(&ada.tenant, odd).await?, None);
        assert_eq!(directory.user_by_link(&ada.tenant, &link(odd)?).await?, None);
        assert_eq!(directory.provisioned_user(&ada.tenant, &"okta".parse()?, odd, None).await?, None);
        assert_eq!(directory.program(ProgramKind::Client, odd).await?, None);
        let filter = UserFilter { text: Some(odd.to_owned()), active: None };
        assert_eq!(directory.find_users(&ada.tenant, &filter, &Page::default()).await?, []);
        let mut named = somebody("default", "eve")?;
        named.user_name = odd.to_owned();
        assert!(matches!(directory.create_user(&named).await, Err(DirectoryError::Unfit)));
        let grouped = User { groups: vec![odd.to_owned()], ..ada.clone() };
        assert!(matches!(directory.update_user(&grouped).await, Err(DirectoryError::Unfit)));
        let mut key = program(ProgramKind::ApiKey, "default", "k")?;
        key.name = odd.to_owned();
        assert!(matches!(directory.create_program(&key).await, Err(DirectoryError::Unfit)));
        assert!(matches!(
            directory.revoke_program(ProgramKind::Client, odd, at(1)).await,
            Err(DirectoryError::Unfit | DirectoryError::Missing(_))
        ));
    }
    assert_eq!(directory.user(ada.id).await?, Some(ada));
    Ok(())
}
