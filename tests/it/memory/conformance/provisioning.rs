//! People and groups as a directory's client sees them.

use doorward::directory::search::{Condition, Multiple, Search, Test, Within};
use doorward::directory::{Described, Indexed, Page, Provisioning, Redescribed, UserFilter};
use doorward::model::{Group, GroupId, Keeper, Member, Provisioner, UserId};
use serde_json::Map;
use uuid::Uuid;

use super::{Backend, Outcome, at, tenant};

fn okta() -> Outcome<Provisioner> {
    Ok(Provisioner { tenant: tenant("default")?, connection: "okta".parse()? })
}

async fn person(people: &dyn Provisioning, name: &str) -> Outcome<UserId> {
    let title = Indexed { attribute: "title".to_owned(), element: 0, part: String::new(), value: "clerk".to_owned() };
    let described = Described {
        user_name: name.to_owned(),
        email: None,
        name: None,
        external_id: None,
        active: Some(true),
        attributes: Map::new(),
        index: vec![title],
    };
    let (made, _) = people.provision(&okta()?, UserId(Uuid::new_v4()), &described, &[]).await?;
    Ok(made.user.id)
}

async fn group(people: &dyn Provisioning, name: &str, members: &[Uuid]) -> Outcome<Group> {
    let Provisioner { tenant, connection } = okta()?;
    let id = GroupId(Uuid::new_v4());
    let (created_at, updated_at) = (at(0), at(0));
    let connection = Some(connection);
    let made = Group { id, tenant, connection, display_name: name.to_owned(), external_id: None, created_at, updated_at };
    people.create_group(&made, members).await?;
    Ok(made)
}

/// The names on a page of all clerks or of all people, and how many there are in all.
async fn page(people: &dyn Provisioning, clerks: bool, offset: u64, limit: u32) -> Outcome<(Vec<String>, u64)> {
    let clerk = Within::Part(String::new(), Test::Equal("clerk".to_owned()));
    let condition = clerks.then(|| Condition::Element(Multiple::Attribute("title".to_owned()), clerk));
    let found = people.search_provisioned(&okta()?, &Search { condition, order: None, offset, limit }).await?;
    Ok((found.part.into_iter().map(|person| person.user.user_name).collect(), found.total))
}

pub(crate) async fn a_walk_through_all_pages_misses_nobody_while_others_come_and_go(backend: &impl Backend) -> Outcome {
    let (one, other) = (backend.open().await?.provisioning, backend.open().await?.provisioning);
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(person(&*one, &format!("p{number}")).await?);
    }
    for clerks in [false, true] {
        let (first, total) = page(&*one, clerks, 0, 2).await?;
        assert_eq!((first.len(), total), (2, 7));
        // Counted through to, as by another replica, and gone on to.
        assert_eq!(page(&*other, clerks, 2, 2).await?, page(&*one, clerks, 2, 2).await?);
        assert_eq!(page(&*one, clerks, 6, 2).await?.0.len(), 1);
    }
    let order: Vec<String> = page(&*one, false, 0, 7).await?.0;
    let (seen, _) = page(&*one, false, 0, 3).await?;
    assert_eq!(seen, order[..3]);
    let gone = order[0].trim_start_matches('p').parse::<usize>()?;
    let version = one.provisioned(&okta()?, ids[gone]).await?.ok_or("nobody")?.user.updated_at;
    one.deprovision(&okta()?, ids[gone], version).await?;
    let late = person(&*one, "late").await?;
    assert_eq!(page(&*one, false, 3, 3).await?.0, order[3..6], "whoever came after the third is the next");
    let (rest, total) = page(&*one, false, 6, 3).await?;
    assert_eq!((rest.len(), total), (2, 7), "and whoever came meanwhile is the last: {rest:?}");
    assert_eq!(rest[1], "late");
    assert!(one.provisioned(&okta()?, late).await?.is_some());
    assert_eq!(page(&*one, false, 9, 3).await?, (Vec::new(), 7));
    Ok(())
}

pub(crate) async fn members_are_known_by_name_in_part_or_at_all(backend: &impl Backend) -> Outcome {
    let people = backend.open().await?.provisioning;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(person(&*people, &format!("p{number}")).await?.0);
    }
    let staff = group(&*people, "Staff", &ids[..4]).await?;
    let mut sorted = ids[..4].to_vec();
    sorted.sort_unstable();
    let of = |members: Vec<Member>| members.into_iter().map(|member| member.id).collect::<Vec<_>>();
    assert_eq!(of(people.members(staff.id, false, None).await?), sorted);
    let some = people.members(staff.id, true, Some(2)).await?;
    assert!(some.iter().all(|member| member.display.is_some() && !member.is_group));
    assert_eq!(of(some), sorted[..2]);
    assert_eq!(of(people.members_among(staff.id, &[ids[1], ids[4], super::nobody().0]).await?), [ids[1]]);
    assert_eq!(of(people.members_among(staff.id, &[]).await?), Vec::<Uuid>::new());
    let many: Vec<Uuid> = (0..1200).map(|_| super::nobody().0).chain([ids[0]]).collect();
    assert_eq!(of(people.members_among(staff.id, &many).await?), [ids[0]], "of more than one statement holds");
    let all = group(&*people, "Everybody", &[staff.id.0]).await?;
    let within = people.members_among(all.id, &[staff.id.0, ids[0]]).await?;
    assert!(within.len() == 1 && within[0].is_group && within[0].person().is_none(), "{within:?}");
    Ok(())
}

pub(crate) async fn a_directorys_groups_are_told_wherever_people_are_listed(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let ada = person(&*stores.provisioning, "ada").await?;
    let staff = group(&*stores.provisioning, "Staff", &[ada.0]).await?;
    let default = tenant("default")?;
    let found = stores.directory.find_users(&default, &UserFilter::default(), &Page::default()).await?;
    let listed = stores.directory.users(&default, &Page::default()).await?;
    let by_name = stores.directory.user_by_name(&default, "ada").await?;
    for user in found.into_iter().chain(listed).chain(by_name) {
        assert_eq!((user.id, user.directory_groups), (ada, vec!["Staff".to_owned()]));
    }
    let new = Redescribed { display_name: "Staff".to_owned(), external_id: None, joins: Vec::new(), leaves: vec![ada.0] };
    stores.provisioning.update_group(&Keeper::from(&okta()?), staff.id, &new, at(0)).await?;
    let found = stores.directory.find_users(&default, &UserFilter::default(), &Page::default()).await?;
    assert_eq!(found[0].directory_groups, Vec::<String>::new());
    Ok(())
}
