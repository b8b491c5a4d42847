//! Facts about tries that have not succeeded.

use std::time::Duration;

use doorward::limit::Party;
use doorward::session::{Begun, Bound, Tries};

use super::{Backend, Outcome, at};

const BOUND: Bound = Bound { tries: 3, lasts: Duration::from_secs(600) };

fn ada() -> Party {
    Party::name("account", "ada")
}

async fn begin(tries: &dyn Tries, seconds: i64) -> Outcome<Begun> {
    Ok(tries.begin(ada(), BOUND, at(seconds)).await?)
}

const GOES: Begun = Begun::Goes { last: false };
const LAST: Begun = Begun::Goes { last: true };

pub(crate) async fn a_party_waits_after_its_last_try_and_no_longer(backend: &impl Backend) -> Outcome {
    let (one, other) = (backend.open().await?.tries, backend.open().await?.tries);
    assert_eq!((begin(&*one, 0).await?, begin(&*other, 1).await?, begin(&*one, 2).await?), (GOES, GOES, LAST));
    let waits = Begun::Waits(Duration::from_secs(502));
    assert_eq!((begin(&*one, 100).await?, begin(&*other, 100).await?), (waits, waits), "trying does not prolong it");
    assert_eq!(one.begin(Party::name("account", "bob"), BOUND, at(100)).await?, GOES);
    assert_eq!(one.begin(Party::source("192.0.2.1".parse()?), BOUND, at(100)).await?, GOES);
    assert_eq!(begin(&*backend.open().await?.tries, 602).await?, GOES);
    Ok(())
}

pub(crate) async fn many_tries_at_once_are_many_whoever_counts(backend: &impl Backend) -> Outcome {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let tries = backend.open().await?.tries;
        for _ in 0..5 {
            let tries = tries.clone();
            tasks.spawn(async move { begin(&*tries, 0).await });
        }
    }
    let mut begun = Vec::new();
    while let Some(one) = tasks.join_next().await {
        begun.push(one??);
    }
    let count = |what: Begun| begun.iter().filter(|one| **one == what).count();
    assert_eq!((count(GOES), count(LAST), begun.len()), (2, 1, 20), "{begun:?}");
    Ok(())
}

pub(crate) async fn a_success_begins_a_new_row(backend: &impl Backend) -> Outcome {
    let tries = backend.open().await?.tries;
    for seconds in 0..10 {
        assert_eq!(begin(&*tries, seconds).await?, GOES);
        tries.clear(ada()).await?;
    }
    Ok(())
}

pub(crate) async fn a_try_that_could_not_be_checked_takes_back_itself_and_no_other(backend: &impl Backend) -> Outcome {
    let tries = backend.open().await?.tries;
    tries.take_back(ada()).await?;
    assert_eq!((begin(&*tries, 0).await?, begin(&*tries, 1).await?), (GOES, GOES));
    for seconds in 2..10 {
        assert_eq!(begin(&*tries, seconds).await?, LAST);
        tries.take_back(ada()).await?;
    }
    assert_eq!(begin(&*tries, 10).await?, LAST);
    assert!(matches!(begin(&*tries, 10).await?, Begun::Waits(_)));
    Ok(())
}

pub(crate) async fn what_does_not_count_any_more_leaves(backend: &impl Backend) -> Outcome {
    let tries = backend.open().await?.tries;
    for number in 0..1500 {
        tries.begin(Party::name("nobody", &format!("name {number}")), BOUND, at(0)).await?;
    }
    begin(&*tries, 100).await?;
    assert_eq!(tries.purge_tries(at(599)).await?, 0);
    assert_eq!(tries.purge_tries(at(600)).await?, 1500);
    assert_eq!((begin(&*tries, 601).await?, begin(&*tries, 601).await?), (GOES, LAST), "what counts is there");
    assert_eq!(tries.purge_tries(at(2000)).await?, 1);
    Ok(())
}
