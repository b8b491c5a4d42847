//! Facts about the networks that keys and clients are used from.

use std::net::IpAddr;
use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::directory::networks::{MOST_NETWORKS, Networks, NewNetwork, Visit};
use doorward::model::{Program, ProgramKind};

use super::{Backend, Outcome, at, program, somebody};

const LEARNING: Option<Duration> = Some(Duration::from_secs(100));
const KEY: ProgramKind = ProgramKind::ApiKey;

fn visit(id: &str, address: &str, seconds: i64) -> Outcome<(Visit, Timestamp)> {
    Ok((Visit { kind: KEY, id: id.to_owned(), address: address.parse()? }, at(seconds)))
}

async fn learn(networks: &dyn Networks, id: &str, address: &str, seconds: i64) -> Outcome<Vec<NewNetwork>> {
    Ok(networks.learn(&[visit(id, address, seconds)?], LEARNING).await?)
}

pub(crate) async fn a_network_is_new_to_a_key_once_and_after_the_learning(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let networks = stores.networks.as_ref();
    let ada = somebody("default", "ada")?;
    stores.directory.create_user(&ada).await?;
    stores.directory.create_program(&Program { owner: Some(ada.id), ..program(KEY, "default", "k")? }).await?;
    stores.directory.create_program(&program(KEY, "default", "other")?).await?;
    stores.directory.create_program(&program(ProgramKind::Client, "default", "k")?).await?;
    for (address, seconds) in [("192.0.2.1", 10), ("198.51.100.1", 110), ("192.0.2.200", 200), ("198.51.100.77", 201)] {
        assert_eq!(learn(networks, "k", address, seconds).await?, [], "{address}");
    }
    assert_eq!(networks.learn(&[visit("k", "203.0.113.9", 202)?], None).await?, [], "nobody wants to know");
    let new = learn(networks, "k", "2001:db8:7::9", 203).await?;
    let expected = NewNetwork {
        kind: KEY,
        id: "k".to_owned(),
        tenant: "default".parse()?,
        owner: Some(ada.id),
        network: "2001:db8:7::/48".parse()?,
        address: "2001:db8:7::9".parse::<IpAddr>()?,
        at: at(203),
    };
    assert_eq!(new, [expected]);
    for address in ["2001:db8:7::9", "2001:db8:7:1::1", "203.0.113.1", "192.0.2.3"] {
        assert_eq!(learn(networks, "k", address, 204).await?, [], "{address}");
    }
    assert_eq!(learn(networks, "other", "2001:db8:7::9", 300).await?, [], "a key of its own begins to be learnt");
    assert_eq!(learn(networks, "nobody", "2001:db8:7::9", 300).await?, []);
    assert_eq!(learn(networks, "nobody", "192.0.2.1", 900).await?, []);

    // Another process knows the same.
    let again = backend.open().await?.networks;
    assert_eq!(learn(again.as_ref(), "k", "2001:db8:7::9", 400).await?, []);
    assert_eq!(learn(again.as_ref(), "k", "10.1.2.3", 400).await?.len(), 1);
    Ok(())
}

pub(crate) async fn a_network_that_was_forgotten_is_new_again(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let networks = stores.networks.as_ref();
    for id in ["k", "revoked"] {
        stores.directory.create_program(&program(KEY, "default", id)?).await?;
    }
    for (id, address, seconds) in
        [("k", "192.0.2.1", 10), ("k", "198.51.100.1", 20), ("k", "198.51.100.2", 500), ("revoked", "192.0.2.1", 500)]
    {
        learn(networks, id, address, seconds).await?;
    }
    assert_eq!(networks.purge_networks(at(300)).await?, 1);
    assert_eq!(learn(networks, "k", "198.51.100.9", 600).await?, []);
    assert_eq!(learn(networks, "k", "192.0.2.1", 600).await?.len(), 1, "it was last used long ago");
    stores.directory.revoke_program(KEY, "revoked", at(600)).await?;
    assert_eq!(networks.purge_networks(at(300)).await?, 1, "nobody can use it any more");
    Ok(())
}

pub(crate) async fn a_key_that_is_used_from_everywhere_is_bounded(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let networks = stores.networks.as_ref();
    stores.directory.create_program(&program(KEY, "default", "k")?).await?;
    let visits = (0..100).map(|number| visit("k", &format!("10.0.{number}.1"), 10 + number)).collect::<Outcome<Vec<_>>>()?;
    assert_eq!(networks.learn(&visits, LEARNING).await?, []);
    assert_eq!(learn(networks, "k", "192.0.2.1", 500).await?, []);
    assert_eq!(networks.purge_networks(at(900)).await?, u64::try_from(MOST_NETWORKS)?);
    Ok(())
}

pub(crate) async fn of_many_who_learn_the_same_network_at_once_one_tells_it(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    stores.directory.create_program(&program(KEY, "default", "k")?).await?;
    learn(stores.networks.as_ref(), "k", "192.0.2.1", 10).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let networks = backend.open().await?.networks;
        tasks.spawn(async move { learn(networks.as_ref(), "k", &format!("198.51.100.{number}"), 500 + number).await });
    }
    let mut told = 0;
    while let Some(new) = tasks.join_next().await {
        told += new??.len();
    }
    assert_eq!(told, 1);
    Ok(())
}

pub(crate) async fn what_one_did_not_come_to_tell_another_tells_once(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let networks = stores.networks.as_ref();
    stores.directory.create_program(&program(KEY, "default", "k")?).await?;
    learn(networks, "k", "192.0.2.1", 10).await?;
    let (told, untold) = (learn(networks, "k", "198.51.100.1", 500).await?, learn(networks, "k", "203.0.113.1", 500).await?);
    networks.told(&told).await?;
    assert_eq!(networks.untold(at(500), at(520)).await?, [], "somebody is at it");
    assert_eq!(networks.untold(at(560), at(560)).await?, untold);
    assert_eq!(networks.untold(at(560), at(561)).await?, [], "somebody else is at it");
    networks.told(&untold).await?;
    assert_eq!(networks.untold(at(900), at(900)).await?, []);
    Ok(())
}

pub(crate) async fn what_is_kept_of_the_networks_of_somebodys_keys_goes_with_them(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let ada = somebody("default", "ada")?;
    stores.directory.create_user(&ada).await?;
    stores.directory.create_program(&Program { owner: Some(ada.id), ..program(KEY, "default", "hers")? }).await?;
    learn(stores.networks.as_ref(), "hers", "192.0.2.1", 10).await?;
    stores.directory.erase_user(&ada).await?;
    assert_eq!(stores.networks.purge_networks(at(900)).await?, 0);
    Ok(())
}
