//! How a server goes about what is asked of the trail in an incident, by its own account.

use doorward::audit::what::RoleAssigned;
use doorward::audit::{AuditFilter, AuditStore as _, Event, Kind, Outcome as Ending, Severity, SqlAudit};
use doorward::model::TenantId;
use sqlx::AssertSqlSafe;

use super::conformance::{Outcome, at, source};
use super::postgres;
use crate::support::{eventually, part_at_port};

/// Every plan goes into the server's log.
const EXPLAINED: &str = "ALTER ROLE doorward SET session_preload_libraries = 'auto_explain'; \
                         ALTER ROLE doorward SET auto_explain.log_min_duration = 0";

fn happened(number: u8, of: u8) -> Event {
    let mut event = Event::new(at(number.into()), Kind::SignIn, Ending::Success, &TenantId::default());
    event.source = Some([198, 51, of, number].into());
    event.user_agent = Some("Mozilla/5.0".to_owned());
    event.request_id = Some(format!("request-{of}-{number}"));
    if (of, number) == (7, 7) {
        event.tell(RoleAssigned { administrator: true, ..RoleAssigned::default() });
    }
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_finds_a_request_an_address_and_alarms_by_their_indexes() -> Outcome {
    let server = tokio::task::spawn_blocking(|| part_at_port("postgres", &[])).await?;
    let url = postgres::beside(server.ready["url"].as_str().ok_or("no URL")?).await?;
    let mut stranger = postgres::stranger(&url).await?;
    sqlx::raw_sql(EXPLAINED).execute(&mut stranger).await?;
    let audit = SqlAudit::new(postgres::open(&url).await?, source());
    for of in 0..20 {
        audit.append((0..250).map(|number| happened(number, of)).collect()).await?;
    }
    for table in ["audit", "audit_facts"] {
        sqlx::query(AssertSqlSafe(format!("VACUUM ANALYZE {table}"))).execute(&mut stranger).await?;
    }
    let all = AuditFilter { limit: 50, ..AuditFilter::default() };
    for (filter, indexes) in [
        (AuditFilter { request_id: Some("request-3-9".to_owned()), ..all.clone() }, &["audit_by_request"][..]),
        (AuditFilter { source: Some([198, 51, 5, 5].into()), ..all.clone() }, &["audit_facts_by_source", "audit_by_source"]),
        (AuditFilter { severity: Some(Severity::Alarm), ..all }, &["audit_by_kind", "audit_by_administrator"]),
    ] {
        let before = server.process.said().len();
        assert_eq!(audit.search(&filter).await?.entries.len(), 1, "{filter:?}");
        let plan = tokio::task::block_in_place(|| {
            eventually("the server says how", || {
                let said = server.process.said()[before..].to_owned();
                indexes.iter().all(|index| said.contains(&format!(" {index} on "))).then_some(said)
            })
        });
        assert!(!plan.contains("Seq Scan on audit"), "{plan}");
    }
    Ok(())
}
