//! One suite for every store: each test is a fact that any backend has to make true.

pub(crate) mod audit;
pub(crate) mod changes;
pub(crate) mod connections;
pub(crate) mod directory;
pub(crate) mod erasure;
pub(crate) mod factors;
pub(crate) mod groups;
pub(crate) mod listing;
pub(crate) mod mail;
pub(crate) mod networks;
pub(crate) mod provisioning;
pub(crate) mod sessions;
pub(crate) mod tries;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward::audit::{AuditStore, Source};
use doorward::clock::Timestamp;
use doorward::crypto::{Digest, Secret};
use doorward::directory::{Answers, Connections, Directory, Factors, Invitations, Networks, Provisioning};
use doorward::model::{FederatedLink, Program, ProgramKind, ProgramSecret, Session, SessionHandle, TenantId, User, UserId};
use doorward::revocation::Bus;
use doorward::session::{MailedLinks, SessionStore, Tries};
use uuid::Uuid;

use crate::support::PATIENCE;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One handle on a backend, as one process holds it.
pub(crate) struct Stores {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) factors: Arc<dyn Factors>,
    pub(crate) connections: Arc<dyn Connections>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) links: Arc<dyn MailedLinks>,
    pub(crate) tries: Arc<dyn Tries>,
    pub(crate) invitations: Arc<dyn Invitations>,
    pub(crate) answers: Arc<dyn Answers>,
    pub(crate) provisioning: Arc<dyn Provisioning>,
    pub(crate) networks: Arc<dyn Networks>,
    pub(crate) audit: Arc<dyn AuditStore>,
    pub(crate) bus: Bus,
    /// Whatever has to live for the bus to hear.
    pub(crate) _keeper: Box<dyn Any + Send + Sync>,
}

/// Who writes to the trail, where it does not matter who.
pub(crate) fn source() -> Source {
    source_of("door")
}

pub(crate) fn source_of(chain: &str) -> Source {
    Source::new(chain, &Secret::new("0123456789abcdef0123456789abcdef".to_owned()), &[]).unwrap()
}

/// A kind of store. `fresh` makes an empty one; each `open` is another handle on it.
#[async_trait]
pub(crate) trait Backend: Sized + Send + Sync {
    async fn fresh() -> Outcome<Self>;
    async fn open(&self) -> Outcome<Stores>;
}

/// Runs every test of the suite on `$backend`, or those that a store of sessions alone has to pass.
macro_rules! conformance {
    (@tests $backend:ty, $part:ident: $($name:ident)*) => {
        mod $part {
            use crate::memory::conformance::{Backend, Outcome, $part as suite};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() -> Outcome {
                    suite::$name(&<$backend>::fresh().await?).await
                }
            )*
        }
    };
    (sessions of $backend:ty) => {
        conformance!(@tests $backend, sessions:
            a_session_comes_back_with_every_field
            an_ended_session_is_never_lifted
            ending_says_whether_the_session_was_live
            ending_all_of_a_person_leaves_others_alone
            many_are_signed_out_in_one_piece
            a_providers_logout_ends_what_it_names_and_nothing_else
            a_logout_that_may_come_once_has_one_winner_who_ends_all_it_names
            refreshing_tokens_is_one_turn_and_no_stale_tokens_win
            seen_times_only_move_forward
            live_sessions_are_listed_newest_first
            a_one_time_value_has_one_winner_among_many
            a_purge_removes_only_what_has_expired
            sessions_that_ended_by_themselves_are_found_each_once_and_no_others
            a_purge_removes_all_of_it_however_much_there_is
            seen_times_are_gathered_and_written_together
        );
        conformance!(@tests $backend, erasure:
            what_the_trail_tells_of_a_person_goes_and_the_events_stay
            an_erased_person_leaves_nothing_but_their_id
            people_are_found_by_what_was_typed_and_not_by_patterns
            an_answer_is_kept_for_one_request_and_a_while
        );
        conformance!(@tests $backend, changes:
            each_change_is_announced_once_and_in_order
            another_handle_hears_of_the_change_too
            what_changes_nothing_is_not_announced
            what_was_done_is_forgotten_before_it_is_said_to_be_done
        );
    };
    ($backend:ty) => {
        conformance!(sessions of $backend);
        conformance!(@tests $backend, directory:
            a_user_comes_back_with_every_field
            a_user_name_is_unique_within_its_tenant_whatever_its_case
            a_local_account_is_found_by_an_address_that_is_its_alone
            a_federated_account_belongs_to_one_user_of_a_tenant
            users_are_paged_by_id_and_tenant
            an_update_of_a_user_replaces_every_field
            a_stale_update_of_a_user_is_refused
            a_text_that_no_store_can_keep_is_not_found_and_not_taken
            two_updates_at_once_have_one_winner
            a_deleted_user_is_gone_and_so_are_their_programs
            a_missing_user_cannot_be_changed
            a_program_comes_back_with_every_field
            programs_are_paged_by_id_kind_and_tenant
            a_revoked_program_stays_revoked
            rotation_keeps_two_secrets_at_most
            an_update_of_a_program_keeps_its_secrets_and_tenant
            a_stale_update_of_a_program_is_refused
            an_owner_of_another_tenant_is_refused
            a_person_has_no_more_own_programs_than_they_may
            whoever_makes_and_revokes_again_and_again_leaves_a_bounded_number_behind
            use_of_a_program_never_moves_backwards
            uses_are_gathered_and_written_together
        );
        conformance!(@tests $backend, networks:
            a_network_is_new_to_a_key_once_and_after_the_learning
            a_network_that_was_forgotten_is_new_again
            a_key_that_is_used_from_everywhere_is_bounded
            of_many_who_learn_the_same_network_at_once_one_tells_it
            what_one_did_not_come_to_tell_another_tells_once
            what_is_kept_of_the_networks_of_somebodys_keys_goes_with_them
        );
        conformance!(@tests $backend, groups:
            groups_of_either_keeper_are_their_members_and_one_tenants
            a_group_is_changed_by_its_keeper_alone_and_only_a_directorys_keeps_somebody_in
        );
        conformance!(@tests $backend, provisioning:
            a_walk_through_all_pages_misses_nobody_while_others_come_and_go
            members_are_known_by_name_in_part_or_at_all
            a_directorys_groups_are_told_wherever_people_are_listed
        );
        conformance!(@tests $backend, connections:
            a_connection_comes_back_with_every_field_and_others_in_order
            a_connections_id_is_taken_once_whatever_its_tenant
            a_stale_or_missing_connection_is_not_replaced
            each_change_of_a_connection_is_announced
        );
        conformance!(@tests $backend, factors:
            a_factor_comes_back_with_every_field
            a_use_moves_a_factor_forward_and_has_one_winner_among_many
            factors_leave_one_by_one_by_kind_and_with_their_person
            nobody_has_more_factors_than_there_is_place_for
            the_last_device_takes_the_codes_with_it_however_many_go_at_once
        );
        conformance!(@tests $backend, mail:
            a_mailed_link_comes_back_and_looking_uses_nothing_up
            a_mailed_link_is_followed_once_by_the_attempt_that_asked
            wrong_codes_are_counted_however_many_ask_at_once
            a_right_code_is_right_once_and_in_time
            letters_are_counted_by_address_and_time
            an_invitation_is_accepted_again_and_again_and_used_once
            an_invitation_that_was_revoked_or_replaced_makes_nobody
            many_who_invite_the_same_person_at_once_leave_one_invitation
        );
        conformance!(@tests $backend, tries:
            a_party_waits_after_its_last_try_and_no_longer
            many_tries_at_once_are_many_whoever_counts
            a_success_begins_a_new_row
            a_try_that_could_not_be_checked_takes_back_itself_and_no_other
            what_does_not_count_any_more_leaves
        );
        conformance!(@tests $backend, listing:
            whatever_is_asked_is_found_once_and_nothing_else
            what_is_recorded_while_pages_are_turned_shifts_nothing
        );
        conformance!(@tests $backend, audit:
            an_event_comes_back_with_every_field
            a_text_that_no_store_can_keep_does_not_stop_the_trail
            events_are_listed_newest_first_by_what_is_asked
            events_are_linked_without_gaps_and_each_once several_may_share_a_chain
            only_retention_removes_events
            what_is_recorded_is_there_and_what_is_noted_follows
        );
    };
}
pub(crate) use conformance;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

pub(crate) fn tenant(name: &str) -> Outcome<TenantId> {
    Ok(name.parse()?)
}

pub(crate) fn somebody(tenant_name: &str, user_name: &str) -> Outcome<User> {
    Ok(User {
        id: UserId(Uuid::new_v4()),
        tenant: tenant(tenant_name)?,
        user_name: user_name.to_owned(),
        email: Some("Ada@acme.example".parse()?),
        name: Some("Ada Lovelace, Gräfin".to_owned()),
        active: true,
        groups: vec!["Engineering".to_owned(), "a, \"b\"".to_owned()],
        directory_groups: Vec::new(),
        provisioned_by: None,
        roles: vec!["admin".to_owned()],
        link: Some(link(user_name)?),
        password_hash: Some("$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA".to_owned()),
        created_at: at(0),
        updated_at: at(1),
    })
}

pub(crate) fn link(subject: &str) -> Outcome<FederatedLink> {
    Ok(FederatedLink { connection: "okta".parse()?, issuer: "https://acme.okta.example".to_owned(), subject: subject.to_owned() })
}

pub(crate) fn secret(text: &str, created: i64) -> ProgramSecret {
    ProgramSecret { digest: Digest::of(text.as_bytes()), created_at: at(created), expires_at: None }
}

pub(crate) fn program(kind: ProgramKind, tenant_name: &str, id: &str) -> Outcome<Program> {
    Ok(Program {
        kind,
        id: id.to_owned(),
        tenant: tenant(tenant_name)?,
        name: "nightly export".to_owned(),
        owner: None,
        within_owner: false,
        roles: vec!["viewer".to_owned()],
        scopes: vec!["api:read".parse()?, "report:*".parse()?],
        networks: vec!["10.0.0.0/8".parse()?, "2001:db8::/32".parse()?],
        created_at: at(0),
        expires_at: Some(at(1000)),
        revoked_at: None,
        last_used_at: Some(at(5)),
        secrets: vec![secret(id, 0)],
    })
}

pub(crate) fn session(user: UserId, name: &str) -> Outcome<Session> {
    Ok(Session {
        handle: SessionHandle(format!("handle-{name}")),
        digest: Digest::of(name.as_bytes()),
        tenant: tenant("default")?,
        user,
        connection: "okta".parse()?,
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        acr: Some("urn:acr:2".to_owned()),
        authenticated_at: at(0),
        created_at: at(1),
        last_seen_at: at(2),
        expires_at: at(1000),
        revoked_at: None,
        provider_session: Some("sid-1".to_owned()),
        provider_subject: Some("subject-1".to_owned()),
        sealed_tokens: Some(vec![0, 1, 255]),
        tokens_version: 3,
        refresh_at: Some(at(500)),
        client_address: Some("192.0.2.1".to_owned()),
        user_agent: Some("Mozilla/5.0".to_owned()),
    })
}

pub(crate) fn nobody() -> UserId {
    UserId(Uuid::new_v4())
}

/// Waits until `fact` is true.
pub(crate) async fn eventually(fact: impl AsyncFn() -> Outcome<bool>) -> Outcome {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !fact().await? {
        if tokio::time::Instant::now() > deadline {
            return Err("it never became true".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
