//! Facts about sign-ins by mail and about invitations.

use std::time::Duration;

use doorward::crypto::Digest;
use doorward::directory::DirectoryError;
use doorward::model::{Invitation, InvitationId, MailedLink};
use doorward::session::{Asked, CodeTry};
use tokio::task::JoinSet;

use super::{Backend, Outcome, at, somebody, tenant};

/// The tenth second is now; the link lives until the hundredth.
fn mailed(name: &str) -> Outcome<MailedLink> {
    Ok(MailedLink {
        attempt: Digest::of_parts(&[b"attempt", name.as_bytes()]),
        token: Digest::of_parts(&[b"token", name.as_bytes()]),
        code: Digest::of_parts(&[b"code", name.as_bytes()]),
        connection: "email".parse()?,
        address: "ada@acme.example".parse()?,
        tries_left: 3,
        created_at: at(10),
        expires_at: at(100),
        used_at: None,
    })
}

fn invitation(name: &str) -> Outcome<Invitation> {
    Ok(Invitation {
        id: InvitationId(name.to_owned()),
        tenant: tenant("t")?,
        address: "ada@acme.example".parse()?,
        connection: "email".parse()?,
        roles: vec!["editor".to_owned(), "a, \"b\"".to_owned()],
        invited_by: "cli:root".to_owned(),
        token: Digest::of(name.as_bytes()),
        created_at: at(10),
        expires_at: at(100),
        accepted_at: None,
        used_at: None,
        revoked_at: None,
    })
}

pub(crate) async fn a_mailed_link_comes_back_and_looking_uses_nothing_up(backend: &impl Backend) -> Outcome {
    let links = backend.open().await?.links;
    let link = mailed("one")?;
    links.keep(&link).await?;
    for _ in 0..2 {
        assert_eq!(links.of_token(&link.token).await?.as_ref(), Some(&link));
        assert_eq!(links.of_attempt(&link.attempt).await?.as_ref(), Some(&link));
    }
    assert_eq!(links.of_token(&link.attempt).await?, None);
    assert!(links.keep(&link).await.is_err(), "an attempt asks once");
    Ok(())
}

pub(crate) async fn a_mailed_link_is_followed_once_by_the_attempt_that_asked(backend: &impl Backend) -> Outcome {
    let links = backend.open().await?.links;
    let (link, other) = (mailed("one")?, mailed("other")?);
    links.keep(&link).await?;
    links.keep(&other).await?;
    assert_eq!(links.follow(&link.token, &other.attempt, at(20)).await?, None);
    assert_eq!(links.follow(&link.token, &link.attempt, at(100)).await?, None, "too late");
    let mut clicks = JoinSet::new();
    for _ in 0..16 {
        let (links, link) = (links.clone(), link.clone());
        clicks.spawn(async move { links.follow(&link.token, &link.attempt, at(20)).await });
    }
    let mut won = 0;
    while let Some(click) = clicks.join_next().await {
        won += usize::from(click??.is_some());
    }
    assert_eq!(won, 1);
    assert_eq!(links.try_code(&link.attempt, &link.code, at(30)).await?, CodeTry::Closed, "link and code are one chance");
    Ok(())
}

pub(crate) async fn wrong_codes_are_counted_however_many_ask_at_once(backend: &impl Backend) -> Outcome {
    let links = backend.open().await?.links;
    let link = mailed("one")?;
    links.keep(&link).await?;
    let mut tries = JoinSet::new();
    for number in 0_u32..16 {
        let (links, link) = (links.clone(), link.clone());
        let wrong = Digest::of(&number.to_be_bytes());
        tries.spawn(async move { links.try_code(&link.attempt, &wrong, at(20)).await });
    }
    let (mut wrong, mut closed) = (0, 0);
    while let Some(tried) = tries.join_next().await {
        match tried?? {
            CodeTry::Wrong { .. } => wrong += 1,
            CodeTry::Closed => closed += 1,
            CodeTry::Right(_) => panic!("a wrong code was right"),
        }
    }
    assert_eq!((wrong, closed), (3, 13));
    assert_eq!(links.try_code(&link.attempt, &link.code, at(30)).await?, CodeTry::Closed);
    assert_eq!(links.follow(&link.token, &link.attempt, at(30)).await?, None);
    Ok(())
}

pub(crate) async fn a_right_code_is_right_once_and_in_time(backend: &impl Backend) -> Outcome {
    let links = backend.open().await?.links;
    let link = mailed("one")?;
    links.keep(&link).await?;
    assert_eq!(links.try_code(&link.attempt, &link.code, at(100)).await?, CodeTry::Closed);
    assert_eq!(links.try_code(&link.attempt, &link.token, at(20)).await?, CodeTry::Wrong { left: 2 });
    let right = links.try_code(&link.attempt, &link.code, at(20)).await?;
    let used = MailedLink { tries_left: 2, used_at: Some(at(20)), ..link.clone() };
    assert_eq!(right, CodeTry::Right(used));
    assert_eq!(links.try_code(&link.attempt, &link.code, at(20)).await?, CodeTry::Closed);
    Ok(())
}

pub(crate) async fn letters_are_counted_by_address_and_time(backend: &impl Backend) -> Outcome {
    let links = backend.open().await?.links;
    let day = Duration::from_secs(24 * 3600);
    let mut asked = Vec::new();
    for (name, moment) in [("a", at(0)), ("b", at(0).after(day / 2)), ("c", at(60).after(day / 2)), ("d", at(1).after(day))] {
        asked.push(links.keep(&MailedLink { created_at: moment, expires_at: moment.after(day), ..mailed(name)? }).await?);
    }
    let counted = |lately, today| Asked { lately, today };
    assert_eq!(asked, [counted(1, 1), counted(1, 2), counted(2, 3), counted(1, 3)]);
    let elsewhere = MailedLink { address: "bob@acme.example".parse()?, ..mailed("e")? };
    assert_eq!(links.keep(&elsewhere).await?, counted(1, 1));
    assert_eq!(links.purge_links(at(0).after(day)).await?, 4);
    Ok(())
}

pub(crate) async fn an_invitation_is_accepted_again_and_again_and_used_once(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let (invitations, kept) = (stores.invitations, invitation("one")?);
    invitations.invite(&kept).await?;
    assert_eq!(invitations.invitation(&kept.token).await?.as_ref(), Some(&kept));
    assert!(invitations.accept(&kept.token, at(20)).await? && invitations.accept(&kept.token, at(30)).await?);
    assert!(!invitations.accept(&kept.token, at(100)).await?, "too late");
    let found = invitations.invitation_for(&kept.tenant, &kept.connection, &"ADA@acme.example".parse()?).await?;
    assert_eq!(found.and_then(|found| found.accepted_at), Some(at(20)));
    let taken = somebody("t", "ada@acme.example")?;
    stores.directory.create_user(&taken).await?;
    let user = somebody("t", "ADA@acme.example")?;
    assert!(matches!(invitations.take_up(&kept.id, &user, at(40)).await, Err(DirectoryError::Conflict(_))));
    assert_eq!(invitations.invitation(&kept.token).await?.and_then(|found| found.used_at), None, "nothing has changed");
    let user = somebody("t", "ada")?;
    invitations.take_up(&kept.id, &user, at(40)).await?;
    assert_eq!(stores.directory.user(user.id).await?.as_ref(), Some(&user));
    let second = somebody("t", "eve")?;
    assert!(matches!(invitations.take_up(&kept.id, &second, at(50)).await, Err(DirectoryError::Missing(_))));
    assert_eq!(stores.directory.user(second.id).await?, None);
    Ok(())
}

pub(crate) async fn an_invitation_that_was_revoked_or_replaced_makes_nobody(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let (invitations, first, second) = (stores.invitations, invitation("one")?, invitation("two")?);
    invitations.invite(&first).await?;
    invitations.invite(&Invitation { created_at: at(15), ..second.clone() }).await?;
    let user = somebody("t", "ada")?;
    assert!(matches!(invitations.take_up(&first.id, &user, at(20)).await, Err(DirectoryError::Missing(_))));
    assert!(!invitations.revoke_invitation(&tenant("other")?, &second.id, at(20)).await?);
    assert!(invitations.revoke_invitation(&second.tenant, &second.id, at(20)).await?);
    assert!(!invitations.revoke_invitation(&second.tenant, &second.id, at(30)).await?);
    assert!(!invitations.accept(&second.token, at(30)).await?);
    assert!(matches!(invitations.take_up(&second.id, &user, at(30)).await, Err(DirectoryError::Missing(_))));
    assert_eq!(invitations.invitation_for(&second.tenant, &second.connection, &second.address).await?, None);
    let listed: Vec<_> = invitations.invitations(&second.tenant).await?.into_iter().map(|one| one.id.0).collect();
    assert_eq!(listed, ["two", "one"], "newest first");
    Ok(())
}

pub(crate) async fn many_who_invite_the_same_person_at_once_leave_one_invitation(backend: &impl Backend) -> Outcome {
    let stores = [backend.open().await?, backend.open().await?];
    for round in 0..5 {
        let mut invites = JoinSet::new();
        for number in 0..16 {
            let invitations = stores[number % 2].invitations.clone();
            let one = Invitation { tenant: tenant(&format!("t{round}"))?, ..invitation(&format!("{round}-{number}"))? };
            invites.spawn(async move { invitations.invite(&one).await });
        }
        for invited in invites.join_all().await {
            invited?;
        }
        let listed = stores[0].invitations.invitations(&tenant(&format!("t{round}"))?).await?;
        assert_eq!(listed.len(), 16, "each of them was asked for");
        assert_eq!(listed.iter().filter(|one| one.revoked_at.is_none()).count(), 1, "and one counts");
    }
    Ok(())
}
