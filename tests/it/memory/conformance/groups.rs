//! Facts about groups: those of a directory, and those of a tenant's administrators.

use doorward::directory::{Described, DirectoryError, Page, Provisioning, Redescribed, UserFilter};
use doorward::model::{Group, GroupId, Keeper, Provisioner, User, UserId};
use serde_json::Map;
use uuid::Uuid;

use super::{Backend, Outcome, at, nobody, somebody, tenant};

fn group(of: &str, name: &str, connection: Option<&str>) -> Outcome<Group> {
    Ok(Group {
        id: GroupId(nobody().0),
        tenant: tenant(of)?,
        display_name: name.to_owned(),
        external_id: None,
        connection: connection.map(str::parse).transpose()?,
        created_at: at(1),
        updated_at: at(1),
    })
}

fn ids(people: &[UserId]) -> Vec<Uuid> {
    people.iter().map(|user| user.0).collect()
}

fn described(name: &str, joins: &[UserId], leaves: &[UserId]) -> Redescribed {
    Redescribed { display_name: name.to_owned(), external_id: None, joins: ids(joins), leaves: ids(leaves) }
}

/// Somebody whom the connection provisions.
async fn provisioned(people: &dyn Provisioning, by: &Provisioner, name: &str) -> Outcome<User> {
    let described = Described {
        user_name: name.to_owned(),
        email: None,
        name: None,
        external_id: None,
        active: Some(true),
        attributes: Map::new(),
        index: Vec::new(),
    };
    Ok(people.provision(by, nobody(), &described, &[]).await?.0.user)
}

pub(crate) async fn groups_of_either_keeper_are_their_members_and_one_tenants(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let (people, directory) = (stores.provisioning, stores.directory);
    let okta = Provisioner { tenant: tenant("acme")?, connection: "okta".parse()? };
    let ada = provisioned(&*people, &okta, "ada").await?;
    let bob = User { groups: Vec::new(), ..somebody("acme", "bob")? };
    let eve = somebody("globex", "eve")?;
    for user in [&bob, &eve] {
        directory.create_user(user).await?;
    }
    let (theirs, own) = (group("acme", "Staff", Some("okta"))?, group("acme", "Board", None)?);
    people.create_group(&theirs, &ids(&[ada.id])).await?;
    people.create_group(&own, &ids(&[ada.id, bob.id])).await?;
    let same = people.create_group(&group("acme", "BOARD", Some("okta"))?, &[]).await;
    assert!(matches!(same, Err(DirectoryError::Conflict(_))), "{same:?}");
    people.create_group(&group("globex", "Board", None)?, &ids(&[eve.id])).await?;
    for stranger in [eve.id, nobody(), UserId(theirs.id.0)] {
        let refused = people.create_group(&group("acme", "Thieves", None)?, &ids(&[bob.id, stranger])).await;
        assert!(matches!(refused, Err(DirectoryError::Missing("member"))), "{refused:?}");
    }

    // However somebody is looked for, their groups are told.
    let both = ["Board".to_owned(), "Staff".to_owned()];
    assert_eq!(directory.user(ada.id).await?.map(|user| user.directory_groups), Some(both.to_vec()));
    let found = directory.find_users(&okta.tenant, &UserFilter::default(), &Page::default()).await?;
    let groups_of = |id: UserId| found.iter().find(|user| user.id == id).map(|user| user.directory_groups.clone());
    assert_eq!((groups_of(ada.id), groups_of(bob.id)), (Some(both.to_vec()), Some(both[..1].to_vec())));
    let listed = directory.users(&okta.tenant, &Page::default()).await?;
    assert_eq!(listed, found);
    let shown = people.provisioned(&okta, ada.id).await?.map(|person| person.groups.len());
    assert_eq!(shown, Some(1), "a directory is told of its own");

    let mut ids = [ada.id, bob.id];
    ids.sort();
    let first = people.people_in(own.id, &Page { after: None, limit: 1 }).await?;
    let rest = people.people_in(own.id, &Page { after: Some(ids[0].to_string()), limit: 9 }).await?;
    assert_eq!([first, rest].concat().iter().map(|user| user.id).collect::<Vec<_>>(), ids);
    let mut wanted = vec![theirs.clone(), own.clone()];
    wanted.sort_by_key(|group| group.id);
    assert_eq!(people.groups(&okta.tenant, None, &Page::default()).await?, wanted);
    let searched = people.groups(&okta.tenant, Some("OAR"), &Page::default()).await?;
    assert_eq!(searched.iter().map(|group| group.id).collect::<Vec<_>>(), [own.id]);
    assert!(people.groups(&okta.tenant, Some("%"), &Page::default()).await?.is_empty());
    assert_eq!(people.group_of(&okta.tenant, own.id).await?, Some(own.clone()));
    assert_eq!(people.group_of(&tenant("globex")?, own.id).await?, None);
    Ok(())
}

pub(crate) async fn a_group_is_changed_by_its_keeper_alone_and_only_a_directorys_keeps_somebody_in(
    backend: &impl Backend,
) -> Outcome {
    let stores = backend.open().await?;
    let (people, directory) = (stores.provisioning, stores.directory);
    let okta = Provisioner { tenant: tenant("acme")?, connection: "okta".parse()? };
    let ada = provisioned(&*people, &okta, "ada").await?.id;
    let (theirs, own) = (group("acme", "Staff", Some("okta"))?, group("acme", "Board", None)?);
    people.create_group(&theirs, &ids(&[ada])).await?;
    people.create_group(&own, &ids(&[ada])).await?;
    for (keeper, group) in
        [(&own.keeper(), &theirs), (&Keeper::from(&okta), &own), (&Keeper { tenant: tenant("globex")?, connection: None }, &own)]
    {
        let changed = people.update_group(keeper, group.id, &described("Taken", &[], &[ada]), group.updated_at).await;
        assert!(matches!(changed, Err(DirectoryError::Missing("group"))), "{changed:?}");
        let removed = people.delete_group(keeper, group.id, group.updated_at).await;
        assert!(matches!(removed, Err(DirectoryError::Missing("group"))), "{removed:?}");
    }
    let is_active = async || directory.user(ada).await.map(|user| user.map(|user| user.active));
    let left = people.update_group(&theirs.keeper(), theirs.id, &described("Staff", &[], &[ada]), theirs.updated_at).await?;
    assert_eq!(is_active().await?, Some(false), "the administrators' group does not stand for the directory's");
    let changed = people.update_group(&own.keeper(), own.id, &described("Council", &[], &[ada]), own.updated_at).await?;
    let stale = people.update_group(&own.keeper(), own.id, &described("Board", &[], &[]), own.updated_at).await;
    assert!(matches!(stale, Err(DirectoryError::Stale(_))), "{stale:?}");
    let changed = people.update_group(&own.keeper(), own.id, &described("Council", &[ada], &[]), changed.updated_at).await?;
    assert_eq!(is_active().await?, Some(false), "nor does it let anybody in again");
    people.update_group(&theirs.keeper(), theirs.id, &described("Staff", &[ada], &[]), left.updated_at).await?;
    assert_eq!(is_active().await?, Some(true));
    assert_eq!(people.delete_group(&own.keeper(), own.id, changed.updated_at).await?, [ada]);
    let after = directory.user(ada).await?.map(|user| (user.active, user.directory_groups));
    assert_eq!(after, Some((true, vec!["Staff".to_owned()])), "its end locks nobody out");
    Ok(())
}
