//! Second factors.

use doorward::directory::{DirectoryError, FactorUse, MOST_FACTORS};
use doorward::model::{Factor, FactorKind, UserId};

use super::{Backend, Outcome, at, somebody};

fn factor(user: UserId, id: &str, kind: FactorKind) -> Factor {
    Factor {
        id: id.to_owned(),
        user,
        kind,
        name: "Ada's phone, the \"old\" one".to_owned(),
        secret: vec![0, 255, 7],
        counter: 5,
        created_at: at(1),
        last_used_at: None,
    }
}

pub(crate) async fn a_factor_comes_back_with_every_field(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let ada = somebody("default", "ada")?;
    stores.directory.create_user(&ada).await?;
    let all: Vec<Factor> = FactorKind::ALL
        .into_iter()
        .map(|kind| Factor { last_used_at: Some(at(9)), ..factor(ada.id, kind.as_str(), kind) })
        .collect();
    stores.factors.add_factors(&all).await?;
    let mut kept = backend.open().await?.factors.factors(ada.id).await?;
    kept.sort_by_key(|factor| all.iter().position(|one| one.id == factor.id));
    assert_eq!(kept, all);
    Ok(())
}

pub(crate) async fn a_use_moves_a_factor_forward_and_has_one_winner_among_many(backend: &impl Backend) -> Outcome {
    let (stores, other) = (backend.open().await?, backend.open().await?);
    let ada = somebody("default", "ada")?;
    stores.directory.create_user(&ada).await?;
    stores.factors.add_factors(&[factor(ada.id, "one", FactorKind::Totp)]).await?;
    let used = |counter| FactorUse { counter, secret: None, at: at(2) };
    for old in [4, 5] {
        assert!(!stores.factors.use_factor(ada.id, "one", &used(old)).await?, "{old} is behind");
    }
    let next = used(6);
    let uses = (0..20).map(|turn| if turn % 2 == 0 { &stores } else { &other }.factors.use_factor(ada.id, "one", &next));
    let won = futures::future::try_join_all(uses).await?.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1, "of two processes and twenty callers");
    let changed = FactorUse { secret: Some(vec![1]), ..used(7) };
    assert!(other.factors.use_factor(ada.id, "one", &changed).await?);
    let kept = stores.factors.factors(ada.id).await?.remove(0);
    assert_eq!((kept.counter, kept.secret, kept.last_used_at), (7, vec![1], Some(at(2))));
    let bob = somebody("default", "bob")?;
    assert!(!stores.factors.use_factor(bob.id, "one", &used(8)).await?, "another person's");
    Ok(())
}

pub(crate) async fn factors_leave_one_by_one_by_kind_and_with_their_person(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let (ada, bob) = (somebody("default", "ada")?, somebody("default", "bob")?);
    for person in [&ada, &bob] {
        stores.directory.create_user(person).await?;
    }
    let of = |user, prefix: &str| {
        [FactorKind::Totp, FactorKind::RecoveryCode, FactorKind::RecoveryCode]
            .into_iter()
            .enumerate()
            .map(|(place, kind)| factor(user, &format!("{prefix}{place}"), kind))
            .collect::<Vec<_>>()
    };
    stores.factors.add_factors(&of(ada.id, "a")).await?;
    stores.factors.add_factors(&of(bob.id, "b")).await?;
    assert!(!stores.factors.remove_factor(bob.id, "a0").await?, "another person's");
    assert!(stores.factors.remove_factor(ada.id, "a1").await?);
    assert!(!stores.factors.remove_factor(ada.id, "a1").await?, "once");
    let names = |held: Vec<Factor>| held.into_iter().map(|factor| factor.id).collect::<Vec<_>>();
    let sheet: Vec<Factor> =
        (0..MOST_FACTORS).map(|place| factor(ada.id, &format!("c{place}"), FactorKind::RecoveryCode)).collect();
    let too_many = stores.factors.replace_factors(ada.id, FactorKind::RecoveryCode, &sheet).await;
    assert!(matches!(too_many, Err(DirectoryError::Conflict(_))), "{too_many:?}");
    assert_eq!(names(stores.factors.factors(ada.id).await?), ["a0", "a2"], "the old ones stay where the new ones find no place");
    stores.factors.replace_factors(ada.id, FactorKind::RecoveryCode, &sheet[..1]).await?;
    assert_eq!(names(stores.factors.factors(ada.id).await?), ["a0", "c0"]);
    assert_eq!(stores.factors.remove_factors(ada.id, Some(FactorKind::RecoveryCode)).await?, 1);
    assert_eq!(stores.factors.factors(ada.id).await?.len(), 1);
    stores.directory.delete_user(ada.id).await?;
    assert_eq!(stores.factors.factors(ada.id).await?, []);
    assert_eq!(stores.factors.remove_factors(bob.id, None).await?, 3);
    Ok(())
}

pub(crate) async fn the_last_device_takes_the_codes_with_it_however_many_go_at_once(backend: &impl Backend) -> Outcome {
    let (stores, other) = (backend.open().await?, backend.open().await?);
    let ada = somebody("default", "ada")?;
    stores.directory.create_user(&ada).await?;
    let (device, codes) = (FactorKind::Totp, FactorKind::RecoveryCode);
    let all = [("one", device), ("two", device), ("code1", codes), ("code2", codes)];
    stores.factors.add_factors(&all.map(|(id, kind)| factor(ada.id, id, kind))).await?;
    assert!(stores.factors.remove_factor(ada.id, "code1").await?, "a code that was used");
    let (one, two) =
        futures::future::try_join(stores.factors.remove_factor(ada.id, "one"), other.factors.remove_factor(ada.id, "two"))
            .await?;
    assert!(one && two);
    assert_eq!(stores.factors.factors(ada.id).await?, []);
    stores.factors.add_factors(&[factor(ada.id, "three", device), factor(ada.id, "code3", codes)]).await?;
    assert!(!stores.factors.remove_factor(ada.id, "one").await?, "what is gone takes nothing with it");
    assert!(stores.factors.remove_factor(ada.id, "code3").await?);
    assert_eq!(stores.factors.factors(ada.id).await?.len(), 1);
    Ok(())
}

pub(crate) async fn nobody_has_more_factors_than_there_is_place_for(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let ada = somebody("default", "ada")?;
    let one = factor(ada.id, "one", FactorKind::Totp);
    let missing = stores.factors.add_factors(std::slice::from_ref(&one)).await;
    assert!(matches!(missing, Err(DirectoryError::Missing(_))), "{missing:?}");
    stores.directory.create_user(&ada).await?;
    stores.factors.add_factors(&[one]).await?;
    let many: Vec<Factor> =
        (0..MOST_FACTORS).map(|place| factor(ada.id, &format!("f{place}"), FactorKind::RecoveryCode)).collect();
    let full = stores.factors.add_factors(&many).await;
    assert!(matches!(full, Err(DirectoryError::Conflict(_))), "{full:?}");
    assert_eq!(stores.factors.factors(ada.id).await?.len(), 1, "all or none");
    stores.factors.add_factors(&many[1..]).await?;
    Ok(())
}
