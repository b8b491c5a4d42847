//! Facts about connections that the store keeps.

use doorward::directory::DirectoryError;
use doorward::model::{Change, StoredConnection};
use serde_json::json;

use super::{Backend, Outcome, at, tenant};
use crate::support::PATIENCE;

fn connection(id: &str) -> Outcome<StoredConnection> {
    Ok(StoredConnection {
        id: id.parse()?,
        tenant: tenant("acme")?,
        document: json!({ "id": id, "oidc": { "issuer": "https://id.example", "client_secret": null, "scopes": ["a", "ü"] } }),
        secrets: Some(vec![0, 1, 255]),
        created_at: at(1),
        updated_at: at(2),
    })
}

pub(crate) async fn a_connection_comes_back_with_every_field_and_others_in_order(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    assert_eq!(stores.connections.connections().await?, []);
    let plain = StoredConnection { secrets: None, ..connection("a")? };
    for kept in [&connection("b")?, &plain] {
        stores.connections.create_connection(kept).await?;
    }
    assert_eq!(backend.open().await?.connections.connections().await?, [plain, connection("b")?]);
    Ok(())
}

pub(crate) async fn a_connections_id_is_taken_once_whatever_its_tenant(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    stores.connections.create_connection(&connection("a")?).await?;
    let other = StoredConnection { tenant: tenant("other")?, ..connection("a")? };
    assert!(matches!(stores.connections.create_connection(&other).await, Err(DirectoryError::Conflict(_))));
    assert_eq!(stores.connections.connections().await?, [connection("a")?]);
    Ok(())
}

pub(crate) async fn a_stale_or_missing_connection_is_not_replaced(backend: &impl Backend) -> Outcome {
    let stores = backend.open().await?;
    let first = connection("a")?;
    assert!(matches!(stores.connections.update_connection(&first).await, Err(DirectoryError::Missing(_))));
    assert!(matches!(stores.connections.delete_connection(&first.id).await, Err(DirectoryError::Missing(_))));
    stores.connections.create_connection(&first).await?;
    let changed = StoredConnection { document: json!({ "id": "a" }), secrets: None, tenant: tenant("other")?, ..first.clone() };
    let second = stores.connections.update_connection(&changed).await?;
    assert!(second.updated_at > first.updated_at);
    assert_eq!(stores.connections.connections().await?, std::slice::from_ref(&second));
    assert!(
        matches!(stores.connections.update_connection(&changed).await, Err(DirectoryError::Stale(_))),
        "read before the change"
    );
    assert_eq!(stores.connections.connections().await?, std::slice::from_ref(&second));
    stores.connections.delete_connection(&second.id).await?;
    assert_eq!(stores.connections.connections().await?, []);
    Ok(())
}

pub(crate) async fn each_change_of_a_connection_is_announced(backend: &impl Backend) -> Outcome {
    let (stores, other) = (backend.open().await?, backend.open().await?);
    let mut subscription = other.bus.subscribe();
    let first = connection("a")?;
    stores.connections.create_connection(&first).await?;
    let second = stores.connections.update_connection(&first).await?;
    stores.connections.delete_connection(&second.id).await?;
    for _ in 0..3 {
        let heard = tokio::time::timeout(PATIENCE, subscription.next()).await?;
        assert_eq!(heard, Some(Change::Connections));
    }
    Ok(())
}
